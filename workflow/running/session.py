"""results/SCALE/session.json: what a run has to do, for the progress lines of its jobs.

Snakemake's main process writes it when it starts; every job reads it when a result is finished.
"""

import json
import time

from simclr.config import ConfigError
from simclr.files import read_json, write_atomic
from simclr.store.instance import Instance
from workflow.planning.plan import Plan
from workflow.planning.summary import expected_seconds


def write_session(plan: Plan, computed: list[Instance], absent, cores=None, jobs=None) -> None:
    """Note what this run has to compute, how long that should take, and when it started.

    computed: what was asked for and is not there; absent: keys of all that was not there, for jobs
    that read the rules again (see `read_session`); cores, jobs: as `summary` has them.
    """
    groups = plan.groups(computed).values()
    starts = {i.key: plan.scale.startup_seconds / len(group) for group in groups for i in group}
    session = {
        "started": time.time(),
        "expected": expected_seconds(plan, computed, cores, jobs),
        "seconds": {i.key: i.seconds + starts[i.key] for i in computed},
        "stage": {i.key: i.stage.name for i in computed},
        "absent": list(absent),
    }
    write_atomic(plan.store / "session.json", json.dumps(session))


def read_session(plan: Plan) -> dict[str, Instance]:
    """Return {key: instance} of what was not there when the run of this job began.

    Raises ConfigError where the plan is another one by now.
    """
    keys = read_json(plan.store / "session.json")["absent"]
    for key in keys:
        if key not in plan.instances:
            raise ConfigError(f"{key}: the code or scale changed since it was planned; run again.")
    return {key: plan.instances[key] for key in keys}
