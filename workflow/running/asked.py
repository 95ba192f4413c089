"""What was asked of Snakemake. What cannot be meant here is refused in one line.

A finished result has no rule: options that suppose one would do nothing, and say nothing.
"""

import contextlib
import io
import os
from pathlib import Path

from simclr.config import ConfigError, nearest
from simclr.store.instance import Instance
from simclr.store.results import PROVENANCE
from workflow.catalog import FAMILIES
from workflow.planning.plan import Plan
from workflow.running import resources

KEPT = "finished results are kept; `simclr run --again NAME` computes one again"
PRUNE = "Snakemake deletes nothing here; `simclr prune` deletes what the plan does not name"
REFUSED = {  # option, as Snakemake's parser names it -> why
    "force": KEPT,
    "forceall": KEPT,
    "forcerun": KEPT,
    "touch": "dates of files do not matter here; just run `snakemake`",
    "delete_all_output": PRUNE,
    "delete_temp_output": PRUNE,
    "omit_from": "only what is named is computed; name the figures that you want",
    "no_hooks": "a run takes its lock and writes its plan in one; leave it out",
    "batch": "what is missing changes from batch to batch; name figures or families instead",
}


def options():
    """Return the options of this Snakemake as its own parser reads them, profiles included."""
    from snakemake.cli import parse_args

    with contextlib.redirect_stderr(io.StringIO()):  # it has named the profiles once already
        return parse_args(None)[1]


def is_quiet(asked) -> bool:
    """Tell whether Snakemake is asked for results, and not to name its rules."""
    tells = (asked.dryrun, asked.verbose, asked.unlock, asked.report, asked.cleanup_metadata)
    return not any(tells) and "RULES" in {kind.name for kind in asked.quiet or ()}


def is_here(asked) -> bool:
    """Whether jobs run on this machine."""
    return asked.executor in (None, "local")


def memory(workflow, asked) -> int | None:
    """Return the MB that jobs on this machine share; None where they run elsewhere.

    What Snakemake was told (`--resources mem_mb=8000`) counts before what the machine has. Default
    resources are of a cluster: a profile of one's own may have them, and none of them is needed.
    """
    if asked is None or not is_here(asked):
        return None
    workflow.resource_settings.default_resources = None
    if "mem_mb" not in workflow.global_resources:
        workflow.register_resource("mem_mb", resources.machine_mb())
    return workflow.global_resources["mem_mb"].value


def check_folder(root: Path, logs: list[str]) -> None:
    """Refuse to run anywhere but in `root`, the project; leave nothing there. Raises ConfigError.

    logs: the log files that this Snakemake has begun in the current folder.
    """
    if Path.cwd().samefile(root):
        return
    for log in map(Path, logs):
        log.unlink()
        with contextlib.suppress(OSError):  # not empty: of another Snakemake
            log.parent.rmdir()
            log.parent.parent.rmdir()
    raise ConfigError(
        f"{Path.cwd()}: not the folder of this project; run it in {Path(root).resolve()}."
    )


def check(asked, config: dict) -> None:
    """Refuse options that mean nothing here, and all configuration but a scale.

    asked: as from `options`; config: Snakemake's. Raises ConfigError.
    """
    for name, why in REFUSED.items():
        if getattr(asked, name):
            raise ConfigError(f"--{name.replace('_', '-')}: {why}.")
    if asked.cores == 0:
        raise ConfigError("--cores 0: nothing could run; give 1 or more, or all.")
    for name in config:
        if name != "scale":
            hint = nearest(name, ["scale"])
            raise ConfigError(f"--config {name}, or a profile's `config`: unknown.{hint}")
    if sum(entry.startswith("scale=") for entry in asked.config or ()) > 1:
        raise ConfigError("--config scale: given more than once.")
    if "scale" in config and not config["scale"]:
        raise ConfigError("--config scale: empty; name a scale, e.g. scale=tiny.")


def missing(targets, plan: Plan) -> list[Instance]:
    """Return what is missing of what was asked for: of some figures, or of all stages.

    A process computes several results: so those that nobody asked for must not be among them.
    """
    figures = {one.experiment: one for one in plan.of_kind("figure")}
    if targets and all(target in figures or target in FAMILIES for target in targets):
        names = [name for target in targets for name in FAMILIES.get(target, (target,))]
        return plan.missing(figures[name] for name in names if name in figures)
    return plan.missing_of_any_stage()


def check_targets(targets, names: dict[str, str], rules, plan: Plan) -> None:
    """Refuse a target that no rule makes. Raises ConfigError.

    names: what people may ask for; rules: all of Snakemake's.
    """
    made = {str(file) for rule in rules for file in rule.output} | {rule.name for rule in rules}
    there = {f"{one.path(plan.store)}/{PROVENANCE}" for one in plan.instances.values()} - made
    for target in targets:
        if os.path.normpath(target) in there:
            raise ConfigError(f"{target}: is there already; `simclr verify` checks it.")
        if os.path.normpath(target) not in made:
            word = Path(target).stem
            raise ConfigError(f"{target}: no such figure, family or stage.{nearest(word, names)}")
