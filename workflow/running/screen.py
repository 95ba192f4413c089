"""What is seen of a run beside the lines of its jobs: problems, and how it failed."""

import functools
import logging
import os
import re
import shutil
import signal
from pathlib import Path

STOPPED = "stopped; the same command goes on from here."
STATUS = "exit status "  # begins the last line in the log of a job that failed (rules/common.smk)
KILLED, TERMINATED = 137, 143  # by SIGKILL, SIGTERM
NO_MEMORY = re.compile(  # of Python, torch on CPU and GPU, the system, a rank that torchrun started
    r"MemoryError|can't allocate memory|[Oo]ut of memory|Cannot allocate memory|exitcode +: -9"
)
FULL = 2**20  # bytes: a disk with less is full


def only_problems(logger: logging.Logger) -> None:
    """Show Snakemake's warnings and errors, no more; its log file has all it says."""
    for handler in logger.handlers:
        if isinstance(handler, logging.FileHandler):
            handler.filters.clear()
        else:
            handler.setLevel(logging.WARNING)
            handler.addFilter(_is_not_told_at_the_end)


def _is_not_told_at_the_end(record: logging.LogRecord) -> bool:
    """Whether `failure` does not say the same: that a job failed, with the command that it was."""
    text = str(record.msg)
    return "CalledProcessError" not in text and "Look above for error messages" not in text


def last_words(logger: logging.Logger) -> None:
    """Show no more of what Snakemake prints: the last message stays the last."""
    for handler in logger.handlers:
        if not isinstance(handler, logging.FileHandler):
            handler.setLevel(logging.CRITICAL + 1)
    # Snakemake takes all handlers away at its end, and Python would show what it says after that.
    logging.lastResort = logging.NullHandler()


@functools.cache
def say_stopped() -> None:
    """Say, once in a process, that the run was stopped."""
    os.write(2, f"{STOPPED}\n".encode())  # print fails in a handler that interrupted a print


def stop_at_once(*_) -> None:
    """End this process now: a handler of SIGINT."""
    say_stopped()
    os._exit(130)


def stop_on_ctrl_c(here: bool, logger: logging.Logger) -> None:
    """End in order at the first Ctrl-C, jobs before Snakemake; at the second one at once.

    here: whether jobs run on this machine; those of a cluster are always waited for. Snakemake
    would show a trace at the second one, and at a first one that meets it in a loop of asyncio or
    in a function of a rule: so what its logger has to say after the first one is not shown.
    """

    def in_order(*_) -> None:
        signal.signal(signal.SIGINT, stop_at_once if here else signal.SIG_IGN)
        say_stopped()
        last_words(logger)
        raise SystemExit(130)

    signal.signal(signal.SIGINT, in_order)


def failure(jobs, store: Path) -> str:
    """Return a line for each failed job: what happened, and where its log is.

    jobs: Snakemake's. store: results/<scale>.
    """
    lines = []
    for job in sorted(jobs, key=lambda one: one.rule.name):
        log = Path(job.log[0])
        why = reason(log, shutil.disk_usage(store).free, job.resources.get("mem_mb", 0))
        lines.append(f"failed: {job.rule.name}: {why} (log: {log})")
    return "\n".join(lines)


def reason(log: Path, free: int, mb: int) -> str:
    """Return why a job failed, as far as its log, the disk and its exit status tell.

    free: bytes on the disk of the results; mb: memory that was counted for the job.
    """
    text = log.read_bytes().decode("utf-8", "replace") if log.is_file() else ""
    lines = [line.strip() for line in re.split(r"[\r\n]+", text) if line.strip()]
    status = int(lines.pop().removeprefix(STATUS)) if lines and lines[-1].startswith(STATUS) else 0
    errors = [line for line in lines if line.startswith("error: ")] or lines
    said = errors[-1].removeprefix("error: ") if lines else "it said nothing"
    if status == KILLED or NO_MEMORY.search(text):
        expected = f" (it is expected to take {mb:,} MB)" if mb else ""
        how = "killed" if status == KILLED else "stopped"
        return (
            f"{how}, most likely for lack of memory{expected}; "
            "use fewer --cores, or close other programs"
        )
    if status == TERMINATED:
        return "stopped from outside (SIGTERM); the same command goes on from here"
    if free < FULL and "No space left" not in said:
        return f"the disk of the results is full; {said}"
    return said if status else f"ended without an exit status; the last that it said: {said}"
