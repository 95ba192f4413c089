"""A scale: base settings, seeds, and the grid of each experiment, from workflow/scales/*.yaml."""

from dataclasses import dataclass
from pathlib import Path

import yaml

from simclr.config import ConfigError, build, merge, nearest, setting
from simclr.settings import STAGES
from workflow.experiments import ORDER

SCALES = Path(__file__).parent / "scales"
MOST_VALUES = 10_000  # of a scale file; the largest here has some hundreds


@dataclass(frozen=True)
class Seeds:
    """`seeds` of one experiment, where it has others than the scale's."""

    seeds: tuple[int, ...] = setting(low=0)

    def check(self):
        return _bad_seeds(self.seeds)


def _bad_seeds(seeds) -> str | None:
    if not seeds or len(set(seeds)) < len(seeds):
        return "seeds: give one or more, each once."
    return None


@dataclass(frozen=True)
class Scale:
    """The content of workflow/scales/<name>.yaml."""

    title: str = setting()
    seeds: tuple[int, ...] = setting(low=0)
    base: dict = setting()  # stage -> settings laid over the defaults of simclr/settings.py
    experiments: dict = setting()  # experiment -> its grid, and `seeds` if not those above
    device: str = setting("cpu", choices=("cpu", "cuda"))
    precision: str = setting("float32", choices=("float32", "bfloat16"))
    gmacs_per_second: float = setting(20.0, above=0.0)  # measured; only for estimates of time
    startup_seconds: float = setting(4.0, low=0.0)  # of a process: Python, torch
    gpus: int = setting(1, low=1)  # that train one network together, by torchrun
    gpus_per_node: int = setting(8, low=1)
    gpu_gigabytes: float = setting(80.0, above=0.0)  # memory of one GPU

    def check(self):
        if problem := _bad_seeds(self.seeds):
            return problem
        for stage in self.base:
            if stage not in STAGES:
                return f"base.{stage}: unknown stage.{nearest(stage, STAGES)}"
        for name in self.experiments:
            if name not in ORDER:
                return f"experiments.{name}: unknown experiment.{nearest(name, ORDER)}"
        return None

    def devices(self, cls) -> dict:
        """The device and precision of the scale, as far as settings of class `cls` have them."""
        every = {"device": self.device, "precision": self.precision}
        return {k: v for k, v in every.items() if k in cls.__dataclass_fields__}

    def grid(self, experiment: str, where: str = "") -> tuple[dict, tuple[int, ...]]:
        """Return (grid, seeds) of an experiment. Raises ConfigError for unusable seeds."""
        grid = self.experiments[experiment] or {}
        if not isinstance(grid, dict) or "seeds" not in grid:
            return grid, self.seeds
        own = {"seeds": grid["seeds"]}
        return {k: v for k, v in grid.items() if k not in own}, build(Seeds, own, where).seeds


def load_scale(name: str, folder: Path = SCALES) -> Scale:
    """Read and validate the scale `name`. Raises ConfigError."""
    return build(Scale, _read_scale(name, folder), f"scale {name}")


def _read_scale(name: str, folder: Path, children: tuple[str, ...] = ()) -> dict:
    known = sorted(p.stem for p in folder.glob("*.yaml"))
    if name not in known:
        raise ConfigError(f"scale {name!r}: unknown.{nearest(name, known)}")
    if name in children:
        raise ConfigError(f"workflow/scales/{name}.yaml: extends itself; remove `extends`.")
    try:
        values = yaml.safe_load((folder / f"{name}.yaml").read_text())
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: not UTF-8, dates
        problem = " ".join(str(error).split())
        raise ConfigError(f"workflow/scales/{name}.yaml: not valid YAML: {problem}") from None
    if not isinstance(values, dict):
        raise ConfigError(f"workflow/scales/{name}.yaml: expected a mapping.")
    if _more_than(MOST_VALUES, values):
        raise ConfigError(
            f"workflow/scales/{name}.yaml: more than {MOST_VALUES:,} values, each alias (*name) "
            "counted as what it stands for; make it smaller."
        )
    parent = values.pop("extends", None)
    if not parent:
        return values
    return merge(_read_scale(parent, folder, (*children, name)), values)


def _more_than(most: int, values) -> bool:
    """Whether there are more values than that in nested lists and mappings.

    Ten aliases of ten aliases, nine times over, are a short file, and a billion values when they
    are checked or shown; an alias of itself never ends.
    """
    todo, count = [values], 0
    while todo and count <= most:
        one = todo.pop()
        inner = [*one.keys(), *one.values()] if isinstance(one, dict) else one
        if isinstance(inner, list):
            todo += inner[: most + 1]
        count += 1
    return count > most
