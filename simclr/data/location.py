"""Where raw data are: in data/raw, or in the folder that SIMCLR_DATA_DIR names."""

import os
from pathlib import Path

from simclr.config import DataError
from simclr.files import ROOT

RAW = ROOT / "data" / "raw"


def raw_folder() -> Path:
    """Return the folder of raw data: data/raw, or the environment variable SIMCLR_DATA_DIR."""
    return Path(os.environ.get("SIMCLR_DATA_DIR") or RAW)


def locate(file: str) -> Path:
    """Return the path of `file`, which is relative to raw_folder(). Raises DataError if absent."""
    path = raw_folder() / file
    if not path.exists():
        raise DataError(
            f"{path}: no such data; put the archive or folder there, or set SIMCLR_DATA_DIR to the "
            f"folder that holds '{file}'."
        )
    return path
