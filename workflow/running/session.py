"""One run of many results: what it will cost, how far it is, how long it still takes.

Snakemake's main process (or `simclr run`) writes results/<scale>/session.json when it starts; every
job reads it when a result is finished, and prints one line with the overall progress.
"""

import json
import time

from simclr import files
from simclr.config import ConfigError


def write_session(plan, absent) -> None:
    """Note what this run has to do, for the progress lines of its jobs; and `absent`, the keys of
    all that was not there, for jobs that read the rules again (see `begun`)."""
    missing = plan.missing()
    session = {
        "started": time.time(),
        "seconds": {i.key: i.seconds for i in missing},
        "stage": {i.key: i.stage for i in missing},
        "absent": list(absent),
    }
    files.write_atomic(plan.store / "session.json", json.dumps(session))


def read_session(plan) -> dict:
    """Return {key: instance} of what was not there when the run began to which this job belongs.

    Raises ConfigError where the plan is another one by now.
    """
    keys_then = json.loads((plan.store / "session.json").read_text())["absent"]
    for key in keys_then:
        if key not in plan.instances:
            raise ConfigError(f"{key}: the code or scale changed since it was planned; run again.")
    return {key: plan.instances[key] for key in keys_then}
