"""Who may do what with the results of a scale; this Python for the jobs.

Below results/SCALE, `driver.lock` belongs to one process that plans and drives, or moves results.
`work.lock` is shared by all that compute; who moves or deletes results has it to itself. Both die
with their process, whose children do not inherit them (Python opens files so).
"""

import contextlib
import fcntl
import os
import sys
import time
from pathlib import Path

from simclr.config import ConfigError

PATIENCE_SECONDS = 2.0  # two that start at once: the second waits until the first has planned
POLL_SECONDS = 0.05
_DRIVER, _WORK = "driver.lock", "work.lock"
_HELD = {}  # path -> open file, whose closing releases it


def put_this_python_first() -> None:
    """Let `python` in the commands of jobs be this one, where its environment is not activated.

    Jobs take names of files as UTF-8, whatever the locale is.
    """
    here = os.path.dirname(sys.executable)
    os.environ["PYTHONUTF8"] = "1"
    os.environ["PATH"] = f"{here}{os.pathsep}{os.environ.get('PATH', '')}"


def take_lock(store: Path) -> None:
    """Drive a scale until this process ends. Raises ConfigError where another process does.

    store: results/SCALE.
    """
    _lock(store / _DRIVER, fcntl.LOCK_EX)


def driving(store: Path):
    """Return the context in which to change what a run reads. Raises ConfigError as `take_lock`."""
    return _locked(store / _DRIVER, fcntl.LOCK_EX)


@contextlib.contextmanager
def moving(store: Path):
    """Move and delete results: nobody drives or computes meanwhile. Raises ConfigError."""
    with driving(store), _locked(store / _WORK, fcntl.LOCK_EX):
        yield


def computing(store: Path):
    """Return the context in which to compute; nobody moves results then. Raises ConfigError."""
    return _locked(store / _WORK, fcntl.LOCK_SH)


@contextlib.contextmanager
def _locked(path: Path, kind: int):
    if path in _HELD:  # by this process, for a longer time
        yield
        return
    _lock(path, kind)
    try:
        yield
    finally:
        os.close(_HELD.pop(path))


def _check_links(store: Path) -> None:
    """Refuse links to nowhere, and those beyond which Git and DVC do not look."""
    stages = store.iterdir() if store.is_dir() else ()
    for folder in (store.parent, store, *stages):
        if folder.is_symlink() and not folder.exists():
            raise ConfigError(f"{folder}: a link to nowhere; mount its disk, or make the folder.")
    for folder in (store.parent, store):
        if folder.is_symlink() and Path(".git").exists():
            raise ConfigError(
                f"{folder}: a link, beyond which Git and DVC do not look; link the folders of "
                f"stages instead, such as {store}/pretrain (docs/results.md)."
            )


def _lock(path: Path, kind: int) -> None:
    _check_links(path.parent)
    path.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        _wait(file, kind)
    except BlockingIOError:
        holder = os.read(file, 20).decode()
        os.close(file)
        who = f" (process {holder})" if holder else ""
        raise ConfigError(
            f"{path.parent}: another run is at work{who}; wait for it, then run again."
        ) from None
    except OSError as error:
        os.close(file)
        raise ConfigError(
            f"{path.parent}: its file system has no locks ({error.strerror}); move the project to "
            f"one that has; it may link to large results here (docs/results.md)."
        ) from None
    os.truncate(file, 0)
    if kind == fcntl.LOCK_EX:  # those who share do not overwrite each other's
        os.write(file, str(os.getpid()).encode())
    _HELD[path] = file


def _wait(file: int, kind: int) -> None:
    """Lock the file, patiently. Raises BlockingIOError."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return fcntl.flock(file, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise
            time.sleep(POLL_SECONDS)
