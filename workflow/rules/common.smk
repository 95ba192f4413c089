# What the rules share: the plan, and which of its results are missing.
import os
import sys

sys.path.insert(0, str(workflow.basedir))

try:
    from simclr.config import ConfigError
    from simclr.store.results import PROVENANCE
    from workflow.catalog import FAMILIES, entry
    from workflow.cli import explain, interrupt_again
    from workflow.planning.checks import check_data
    from workflow.planning.planner import build_plan
    from workflow.planning.scale import default_scale
    from workflow.planning.summary import summary
    from workflow.running import asked, live_curves, resources, screen, slurm
    from workflow.running.locks import put_this_python_first, take_lock
    from workflow.running.plan_file import write_plan
    from workflow.running.session import read_session, write_session
    from workflow.stages import DVC_STAGES, covered_by
except SyntaxError as error:  # a merge marker, too
    sys.exit(f"error: {error.filename}, line {error.lineno}: {error.msg}.")

put_this_python_first()
# No rule has an environment of its own, whatever a profile says of all workflows of its owner.
workflow.deployment_settings.deployment_method = set()
sys.unraisablehook = interrupt_again


def logged(command):
    """A shell command whose words are seen and logged, and its exit status where it fails."""
    log = " 2>&1 | tee {log:q} >&2"
    status = ' || {{ status=$?; echo "exit status $status" >> {log:q}; exit $status; }}'
    return f"{command}{log}{status}"


def or_stop(function, *arguments):
    """Call the function; a user's mistake is one line, in place of a trace through the rules."""
    try:
        return function(*arguments)
    except (ConfigError, OSError, SyntaxError) as error:
        text = error if isinstance(error, ConfigError) else explain(error)
        print(f"error: {text}", file=sys.stderr, flush=True)
        sys.exit(2)


or_stop(asked.check_folder, workflow.basedir, workflow.logger_manager.get_logfile())
ASKED = asked.options() if workflow.is_main_process else None
if ASKED:
    screen.stop_on_ctrl_c(asked.is_here(ASKED), workflow.logger_manager.logger)
    or_stop(asked.check, ASKED, config)
    if asked.is_quiet(ASKED):
        screen.only_problems(workflow.logger_manager.logger)
PLAN = or_stop(build_plan, str(config.get("scale") or or_stop(default_scale)))
# A job on a cluster is a Snakemake of its own, which reads these rules again when it starts. It
# must see the rules of the main process, although less is missing by now: so it reads what was.
if workflow.remote_exec:
    MISSING = or_stop(read_session, PLAN)
elif ASKED and (ASKED.list_rules or ASKED.list_target_rules):
    MISSING = {}  # only names that people type
else:
    or_stop(check_data, PLAN)
    or_stop(live_curves.folder)
    targets = ASKED.targets if ASKED else ()
    MISSING = {one.key: one for one in asked.missing(targets, PLAN)}
# Of this machine, where jobs run on it: it is shared out as cores are.
MEMORY = or_stop(asked.memory, workflow, ASKED)


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


def wanted_of(jobs):
    """The results that these jobs of Snakemake's compute."""
    return [MISSING[key] for job in jobs for key in job.params.get("wanted", ())]
