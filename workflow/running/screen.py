"""What is seen of a run beside the lines of its jobs: problems, and how it failed."""

import logging
import re
import shutil
from pathlib import Path

from simclr.files import read_text

STATUS = "exit status "  # begins the last line in the log of a job that failed (rules/common.smk)
NO_MEMORY = re.compile(r"MemoryError|can't allocate memory|[Oo]ut of memory|Cannot allocate memory")
FULL = 2**20  # bytes: a disk with less is full


def only_problems(logger: logging.Logger) -> None:
    """Show Snakemake's warnings and errors, no more; its log file has all it says."""
    for handler in logger.handlers:
        if isinstance(handler, logging.FileHandler):
            handler.filters.clear()
        else:
            handler.setLevel(logging.WARNING)


def last_words(logger: logging.Logger) -> None:
    """Show nothing more of Snakemake's: what was said just now shall be the end."""
    for handler in logger.handlers:
        if not isinstance(handler, logging.FileHandler):
            handler.setLevel(logging.CRITICAL + 1)


def failure(jobs, store: Path) -> str:
    """Return a line for each failed job: what happened, and where its log is.

    jobs: Snakemake's; none where the run was stopped. store: results/<scale>.
    """
    if not jobs:
        return "stopped; the same command goes on from here."
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
    text = read_text(log) if log.is_file() else ""
    lines = [line.strip() for line in re.split(r"[\r\n]+", text) if line.strip()]
    status = int(lines.pop().removeprefix(STATUS)) if lines and lines[-1].startswith(STATUS) else 0
    said = lines[-1].removeprefix("error: ") if lines else "it said nothing"
    if status in (137, -9 % 256) or NO_MEMORY.search(text) or "exitcode  : -9" in text:
        return (
            f"killed, most likely for lack of memory (a job here takes about {mb:,} MB): "
            "use fewer --cores, or close other programs"
        )
    if status == 143:
        return "stopped from outside (SIGTERM); the same command goes on from here"
    if free < FULL and "No space left" not in said:
        return f"the disk of the results is full; {said}"
    return said
