"""A real Slurm on this machine: a controller and two nodes on loopback, in a temporary folder.

For tests/test_slurm.py, and tests/slurm_log.py, which shows a run. The daemons are children of a
guard, a process that stops them and every process of their jobs as soon as the one that wanted them
lets go of a pipe: also where that was killed.
"""

import contextlib
import importlib.util
import json
import os
import select
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import safetensors

from tests.project import BIN, Project

PROGRAMS = ("slurmctld", "slurmd", "sbatch", "srun", "scancel", "scontrol", "sinfo", "squeue")
NODES = {"n1": " Name=gpu", "n2": " Name=gpu Type=t4"}
GPUS = ("/dev/zero", "/dev/full")  # devices that stand for GPUs: Slurm counts them, and no more
# cred_expire: how long a job that was preempted waits until it is started again, in seconds.
CONFIG = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/none
AuthInfo=cred_expire=10
CredType=cred/none
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
StateSaveLocation={folder}/state
SlurmctldPidFile={folder}/slurmctld.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdSpoolDir={spool}/%n
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmdLogFile={folder}/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobRequeue=1
KillWait=2
MinJobAge=600
ReturnToService=2
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=2
GresTypes=gpu
NodeName=DEFAULT CPUs=2 RealMemory=32000
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} Gres=gpu:2
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} Gres=gpu:t4:2
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
PartitionName=main Nodes=ALL Default=YES PriorityTier=1
PartitionName=urgent Nodes=ALL PriorityTier=2
"""


def lacking() -> str | None:
    """Why no Slurm can be started here; None where it can."""
    absent = [name for name in PROGRAMS if shutil.which(name, path=_path()) is None]
    if absent:
        return f"Slurm's {', '.join(absent)} not installed (Debian: slurmctld slurmd slurm-client)"
    if importlib.util.find_spec("snakemake_executor_plugin_slurm") is None:
        return "Snakemake's executor plugin for Slurm is not installed"
    return "Slurm's daemons need root here" if os.geteuid() else None


@contextlib.contextmanager
def cluster(folder: Path):
    """Run Slurm in `folder`; in the meantime SLURM_CONF makes its commands use it."""
    folder.mkdir(parents=True, exist_ok=True)
    before = dict(os.environ)
    configure(folder)
    guard = subprocess.Popen(
        [sys.executable, "-m", "tests.slurm", "guard", folder],
        stdin=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is not for it
    )
    os.environ["SLURM_CONF"] = str(folder / "slurm.conf")
    os.environ["PATH"] = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    try:
        wait(lambda: states() == {"idle"}, f"Slurm's nodes ({folder}/daemons.log)", guard.poll)
        yield folder
    finally:
        guard.stdin.close()
        guard.wait(60)
        os.environ.clear()
        os.environ.update(before)


def configure(folder: Path) -> None:
    (folder / "state").mkdir()
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(3)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        ports = [one.getsockname()[1] for one in sockets]
    host = socket.gethostname().split(".")[0]
    # A node's sockets lie below it, and their paths have at most 107 bytes.
    spool = tempfile.mkdtemp(prefix="slurm-")
    (folder / "spool").symlink_to(spool)
    text = CONFIG.format(folder=folder, spool=spool, host=host, ports=ports)
    (folder / "slurm.conf").write_text(text, encoding="utf-8")
    # Of one node with the name of a model, as many clusters have it.
    gpus = [f"NodeName={name}{of} File={','.join(GPUS)}\n" for name, of in NODES.items()]
    (folder / "gres.conf").write_text(f"AutoDetect=off\n{''.join(gpus)}", encoding="utf-8")
    # Snakemake's plugin takes SLURM_CONF from the srun that it calls within a job, as if every
    # cluster had its configuration in /etc.
    (folder / "bin").mkdir()
    srun = folder / "bin" / "srun"
    conf = shlex.quote(str(folder / "slurm.conf"))
    srun.write_text(
        f'#!/bin/sh\nSLURM_CONF={conf} exec {shutil.which("srun")} "$@"\n', encoding="utf-8"
    )
    srun.chmod(0o755)


def guard(folder: Path) -> None:
    """Start the daemons; stop them when standard input ends, or one of them does."""
    environment = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf"), "PATH": _path()}
    with open(folder / "daemons.log", "w", encoding="utf-8") as log:
        options = {"env": environment, "stdout": log, "stderr": log, "stdin": subprocess.DEVNULL}
        daemons = [subprocess.Popen(["slurmctld", "-D"], **options)]
        daemons += [subprocess.Popen(["slurmd", "-D", "-N", name], **options) for name in NODES]
        while not select.select([sys.stdin], [], [], 0.2)[0]:
            if any(one.poll() is not None for one in daemons):
                break
        for one in daemons:
            one.kill()
            one.wait()
    own = f"SLURM_CONF={folder}/slurm.conf".encode()
    for _ in range(100):  # jobs, and what watches over them; some begin others
        found = [pid for pid in processes(own) if pid != os.getpid()]
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if not found:
            break
        time.sleep(0.1)
    shutil.rmtree((folder / "spool").resolve())


def processes(variable: bytes) -> list[int]:
    """Processes that have this variable, NAME=VALUE, in the environment they were started with."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if variable in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
    return found


def states() -> set[str]:
    asked = slurm("sinfo", "--noheader", "--Node", "--format=%T")
    return set(asked.split())


def slurm(*command: str) -> str:
    """The output of one of Slurm's commands; none where it fails."""
    return subprocess.run(command, capture_output=True, encoding="utf-8").stdout


def jobs() -> list[tuple[str, str, str]]:
    """(job, rule, state) of all jobs there were, in the order of submission."""
    lines = slurm("squeue", "--states=all", "--noheader", "--format=%i|%k|%T").splitlines()
    found = [line.split("|") for line in lines]
    found = [(job, rule.removeprefix("rule_"), state) for job, rule, state in found]
    return sorted(found, key=lambda one: int(one[0]))


def training(rule: str, folder: Path, seen: set[str]) -> tuple[str, Path] | None:
    """(The job of `rule` that trains, its checkpoint in `folder`), once that is some epochs old and
    none of those `seen`; it counts as seen from then on."""
    running = [job for job, name, state in jobs() if (name, state) == (rule, "RUNNING")]
    found = [file for file in folder.glob("*.safetensors") if file.name not in seen]
    if not running or not found or reached(found[0])[0] < 10:
        return None
    seen.add(found[0].name)
    return running[-1], found[0]


def reached(checkpoint: Path) -> tuple[int, int]:
    """How far a training is: (finished epochs, steps in the next one); (0, 0) without a file."""
    if not checkpoint.exists():
        return 0, 0
    with safetensors.safe_open(checkpoint, "numpy") as file:
        about = json.loads(file.metadata()["about"])
    return len(about["curves"]), about["next_step"]


def wait(condition, what: str, ended=lambda: None, seconds: float = 300):
    """Wait until the condition holds; AssertionError where it does not in time, or is over."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        assert ended() is None, f"{what}: it ended"
        time.sleep(0.1)
    return found


@contextlib.contextmanager
def started(project: Project, *more: str, **environment: str):
    """Snakemake in the project, through Slurm, as a process; in the end it is killed."""
    process = project.launch(arguments(*more), environment)
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()


def run(project: Project, *more: str, status: int = 0, **environment: str) -> str:
    """Snakemake's output, once it has finished; AssertionError where it ended otherwise."""
    with started(project, *more, **environment) as process:
        output = process.communicate()[0]
    assert process.returncode == status, output
    return output


def arguments(*more: str) -> list:
    """Snakemake's, for a run through Slurm whose jobs take some 8 s."""
    # It asks for their states after 2 seconds, then 12 later, then 22 later, ...
    polling = ("--slurm-init-seconds-before-status-checks", "2", "--latency-wait", "10")
    profile = ("--workflow-profile", "profiles/slurm", "--jobs", "4")
    return [BIN / "snakemake", *profile, *polling, *more]


def _path() -> str:
    return f"{os.environ['PATH']}{os.pathsep}/usr/sbin"  # where Debian has the daemons


if __name__ == "__main__":
    if sys.argv[1:2] == ["guard"]:
        guard(Path(sys.argv[2]))
