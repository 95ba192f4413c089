# What the rules share: the plan, and what of it is not there yet.
import sys

sys.path.insert(0, str(workflow.basedir))

from simclr.cli import explain
from simclr.config import ConfigError
from simclr.results import PROVENANCE
from workflow.experiments import FAMILIES
from workflow.plan import LISTS, build_plan, check_data, write_plan
from workflow.session import (
    begin,
    default_scale,
    put_this_python_first,
    summary,
    take_lock,
)

put_this_python_first()
# With `--sdm conda`, jobs run in your conda environment of this name instead.
ENVIRONMENT = "simclr"


def or_stop(function, *arguments):
    """Call the function; a user's mistake is one line, in place of a trace through the rules."""
    try:
        return function(*arguments)
    except (ConfigError, OSError) as error:
        text = explain(error) if isinstance(error, OSError) else error
        print(f"error: {text}", file=sys.stderr, flush=True)
        sys.exit(2)


PLAN = or_stop(build_plan, str(config.get("scale", default_scale())))
or_stop(check_data, PLAN)
MISSING = {one.key: one for one in PLAN.missing_of_any_stage()}


def unfinished(instances):
    """What Snakemake shall see of these results: the files that are not there yet."""
    return [
        f"{one.path(PLAN.store)}/{PROVENANCE}"
        for one in instances
        if one.key in MISSING
    ]


def nearest_target(wildcards):
    """Refuse a name that is no target, and offer the nearest one."""
    or_stop(PLAN.figure, wildcards.name)
