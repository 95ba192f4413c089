"""Rows of a CSV file, images in them as text: so what a figure shows is published with metrics."""

import csv
from pathlib import Path

import numpy as np
from PIL import Image

MOST = 64  # pixels of a side: larger ones are reduced, since a page holds dozens


def write(path: Path, header: tuple, rows: list[tuple]) -> None:
    """Write rows; a cell that is an array uint8 [3, S, S] becomes hexadecimal digits."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows([to_text(cell) for cell in row] for row in rows)


def to_text(cell):
    if not isinstance(cell, np.ndarray):
        return cell
    picture = np.ascontiguousarray(cell.transpose(1, 2, 0))
    if len(picture) > MOST:
        small = Image.fromarray(picture).resize((MOST, MOST), Image.Resampling.BOX)
        picture = np.asarray(small)
    return np.ascontiguousarray(picture.transpose(2, 0, 1)).tobytes().hex()


def from_text(text: str) -> np.ndarray:
    """Return the image, uint8 [S, S, 3], of a cell that `write` made."""
    values = np.frombuffer(bytes.fromhex(text), np.uint8)
    side = round((len(values) / 3) ** 0.5)
    return values.reshape(3, side, side).transpose(1, 2, 0)
