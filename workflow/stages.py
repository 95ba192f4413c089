"""All stages of the workflow: those of simclr/registry.py, and the figures."""

from dataclasses import dataclass

from simclr import registry
from simclr.config import option
from simclr.registry import Stage


@dataclass(frozen=True)
class Figures:
    """Stage `figures`: what is drawn.

    rows: a dict per run, in order: setting, seed, and the labels of the setting; context: scale and
    title, for the caption, and `chances`, setting -> what chance is (workflow/figures/states.py);
    paper: SHA-256 of the paper's numbers and claims.
    """

    experiment: str = option()
    rows: list = option()
    context: dict = option()
    paper: str = option()


FIGURES = Stage(
    name="figures",
    settings=Figures,
    module="workflow.figures.stage",
    own_module=lambda s: f"workflow.experiments.{s.experiment}",
    kind="figure",
    seconds=lambda s, work: 1.0,
    files=("{experiment}.svg",),
)
STAGES = {**registry.STAGES, FIGURES.name: FIGURES}
# Stages of dvc.yaml -> the kind of results that each covers.
DVC_STAGES = {
    "prepare": "data",
    "pretrain": "encoder",
    "evaluate": "measurement",
    "figures": "figure",
}


def of_kind(kind: str) -> tuple[str, ...]:
    """Return the names of the stages whose results are of a kind."""
    return tuple(stage.name for stage in STAGES.values() if stage.kind == kind)


def covered_by(name: str) -> tuple[str, ...]:
    """Return the stages that a stage of dvc.yaml covers, or the stage of that name itself."""
    return of_kind(DVC_STAGES[name]) if name in DVC_STAGES else (name,)
