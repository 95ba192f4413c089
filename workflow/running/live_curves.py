"""Live curves of trainings: TensorBoard event files in the folder that SIMCLR_TENSORBOARD names.

They only record what the training reports anyway, so results have the same bits with and without.
"""

import contextlib
import importlib.util
import os
import time
from pathlib import Path

from simclr.config import ConfigError

FOLDER = "SIMCLR_TENSORBOARD"  # environment


def folder() -> Path | None:
    """Return the folder for event files, or None where the variable is not set.

    Raises ConfigError where the library that writes them is missing.
    """
    if not os.environ.get(FOLDER):
        return None
    if importlib.util.find_spec("tensorboard") is None:
        raise ConfigError(
            f"{FOLDER}: the library tensorboard is not installed; run `make setup`, or "
            "`python -m pip install tensorboard`, or unset the variable."
        )
    return Path(os.environ[FOLDER])


@contextlib.contextmanager
def recorded(report, place: Path, images: int):
    """Yield a function that records the curve of each epoch, where asked, and calls `report`.

    place: of the event files in the folder, SCALE/STAGE/NAME; images: that the training sees in all
    its epochs, 0 where not known. Raises ConfigError, and OSError where nothing can be written.
    """
    base = folder()
    if base is None:
        yield report
        return
    (base / place.parent).mkdir(parents=True, exist_ok=True)  # fails now, not after an epoch
    writer = last = None

    def record_and_report(done: float, text: str, curve: dict | None = None) -> None:
        nonlocal writer, last
        now = time.monotonic()
        last = last or (now, done)  # what a checkpoint had is not counted as speed
        if curve is not None:
            step = curve["epoch"]
            points = {name: value for name, value in curve.items() if name != "epoch"}
            if images and done > last[1]:
                points["images_per_second"] = images * (done - last[1]) / (now - last[0])
            last = now, done
            if writer is None:
                from torch.utils.tensorboard import SummaryWriter

                # Readers drop the points from here on of an attempt that was interrupted.
                writer = SummaryWriter(base / place, purge_step=step)
            for name, value in points.items():
                writer.add_scalar(f"{place.parent.name}/{name}", value, step)  # a group a stage
            writer.flush()
        report(done, text, curve)

    try:
        yield record_and_report
    finally:
        if writer is not None:
            writer.close()
