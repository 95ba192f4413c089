"""A GPU for a job: Snakemake counts GPUs but hands out no numbers, so jobs take a slot by a lock.

Every card has SIMCLR_GPU_SLOTS slots (1 where it is not set; several small runs can share a card).
A slot is a locked file of the machine, not of a run: two drivers at once, of whatever scale or
clone, never put more jobs on a card than it has slots. The lock dies with its process.

Slurm gives each of its jobs cards of its own, and may name them 0, 1, ... in every job: there a
slot is a locked file of the job. So jobs never wait for each other, and `snakemake --cores all`
within one job still shares out that job's cards.
"""

import contextlib
import fcntl
import itertools
import os
import sys
import tempfile
import time
from pathlib import Path

from simclr.config import ConfigError

SLOTS = "SIMCLR_GPU_SLOTS"
VISIBLE = "CUDA_VISIBLE_DEVICES"
POLL_SECONDS = 0.2


@contextlib.contextmanager
def slot():
    """Hold one slot of one card, the only one that is then visible. Waits where all are taken.

    Of the cards in CUDA_VISIBLE_DEVICES where that is set, else of all. Must come before anything
    uses CUDA. Raises ConfigError where there is no GPU, or SIMCLR_GPU_SLOTS is not a number.
    """
    before = os.environ.get(VISIBLE)
    card, files = take(1)
    try:
        os.environ[VISIBLE] = card
        yield card
    finally:
        os.environ.pop(VISIBLE)
        if before is not None:
            os.environ[VISIBLE] = before
        for file in files:
            file.close()


def take(count: int) -> tuple[str, list]:
    """Take a slot of each of `count` cards; waits until so many are free at once.

    Returns (their names as CUDA_VISIBLE_DEVICES has them, the locked files, open as long as the
    slots are held). Raises ConfigError where there are not so many cards.
    """
    available, per_card, waiting = cards(), slots_per_card(), False
    if count > len(available):
        raise ConfigError(f"gpus: {count} wanted, but only {len(available)} available here.")
    while True:
        held = {}
        # First slots of all cards come first: a second job on a card only where none is free.
        for number in range(per_card):
            for card in available:
                if card not in held and len(held) < count:
                    file = _try_to_lock(card, number)
                    if file is not None:
                        held[card] = file
        if len(held) == count:
            return ",".join(held), list(held.values())
        for file in held.values():  # all or none: nobody waits with a card in hand
            file.close()
        if not waiting:
            slots = per_card * len(available)
            which = f"all {slots}" if count == 1 else f"too many of {slots}"
            print(f"{which} GPU slots are taken; waiting.", file=sys.stderr)
            waiting = True
        time.sleep(POLL_SECONDS)


def cards() -> list[str]:
    """Names of the cards that this process may use, as CUDA_VISIBLE_DEVICES has them."""
    if os.environ.get(VISIBLE) is not None:
        named = [name.strip() for name in os.environ[VISIBLE].split(",")]
        # As CUDA reads it: what follows an impossible one, such as -1, does not count.
        names = list(itertools.takewhile(lambda name: name and name[0] != "-", named))
    else:
        import torch

        names = [str(number) for number in range(torch.cuda.device_count())]
    if not names:
        raise ConfigError("device: 'cuda', but no GPU is available here; use 'cpu'.")
    return names


def slots_per_card() -> int:
    """How many jobs may share a card, from the environment."""
    text = os.environ.get(SLOTS, "1")
    if not text.isdecimal() or int(text) < 1:
        raise ConfigError(f"{SLOTS}: expected a number of jobs per card, got {text!r}.")
    return int(text)


def _try_to_lock(card: str, number: int):
    """The open, locked file of a slot; None where another process has it."""
    folder = Path(tempfile.gettempdir()) / "simclr-gpu-slots"
    folder.mkdir(exist_ok=True)
    with contextlib.suppress(PermissionError):  # for all users of the machine
        folder.chmod(0o1777)
    job = os.environ.get("SLURM_JOB_ID")
    owner = f"slurm-{job}." if job else ""
    place = folder / f"{owner}{card.replace('/', '_')}.{number}"
    # A lock needs no writing.
    file = os.fdopen(os.open(place, os.O_RDONLY | os.O_CREAT, 0o644), "rb")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file
