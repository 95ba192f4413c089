"""One driver a scale; this Python for the jobs."""

import fcntl
import os
import sys
from pathlib import Path

from simclr.config import ConfigError

_LOCKS = []  # open files: closing one would release it


def put_this_python_first() -> None:
    """Let `python` in the commands of jobs be this one, where its environment is not activated."""
    here = os.path.dirname(sys.executable)
    os.environ["PATH"] = f"{here}{os.pathsep}{os.environ.get('PATH', '')}"


def take_lock(store: Path) -> None:
    """Take the lock of one driver per scale, or raise ConfigError. It dies with the process.

    Child processes do not inherit it (Python opens files so).
    """
    store.mkdir(parents=True, exist_ok=True)
    file = open(store / "driver.lock", "a+")  # noqa: SIM115 (held until the process ends)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        holder = file.read().strip() or "unknown"
        file.close()
        raise ConfigError(
            f"{store}: another run is at work (process {holder}); wait for it, then run again."
        ) from None
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    _LOCKS.append(file)
