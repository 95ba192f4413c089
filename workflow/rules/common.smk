# What the rules share: the plan, and which of its results are missing.
import os
import sys

sys.path.insert(0, str(workflow.basedir))

from simclr.config import ConfigError
from simclr.store.results import PROVENANCE
from workflow.catalog import FAMILIES
from workflow.cli import explain, interrupt_again
from workflow.planning.checks import check_data
from workflow.planning.planner import build_plan
from workflow.planning.scale import default_scale
from workflow.planning.summary import summary
from workflow.running import resources, slurm
from workflow.running.locks import put_this_python_first, take_lock
from workflow.running.plan_file import write_plan
from workflow.running.session import read_session, write_session
from workflow.stages import DVC_STAGES, covered_by

put_this_python_first()
sys.unraisablehook = interrupt_again
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
# A job on a cluster is a Snakemake of its own, which reads these rules again when it starts. It
# must see the rules of the main process, although less is missing by now: so it reads what was.
if workflow.remote_exec:
    MISSING = or_stop(read_session, PLAN)
else:
    or_stop(check_data, PLAN)
    MISSING = {one.key: one for one in PLAN.missing_of_any_stage()}


def unfinished(instances):
    """What Snakemake shall see of these results: the files that are not there yet."""
    return [
        f"{one.path(PLAN.store)}/{PROVENANCE}"
        for one in instances
        if one.key in MISSING
    ]


def absent(files):
    """Those that are not there. Snakemake deletes outputs before it runs a rule: so a job on a
    cluster that starts again keeps what it finished the first time."""
    return [file for file in files if not os.path.exists(file)]


def nearest_target(wildcards):
    """Refuse a name that is no target, and offer the nearest one."""
    or_stop(PLAN.figure, wildcards.name)
