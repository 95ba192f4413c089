"""The description (data.json), the data card and the contact sheet of a prepared set."""

import numpy as np
from PIL import Image

from simclr.config import printable
from simclr.data.raw_dataset import RawDataset

SHEET_CLASSES, SHEET_IMAGES = 10, 12  # rows and columns of the contact sheet
SHEET_SIDE = 64  # pixels of an image on the sheet, at least
GAP = 4  # pixels between images on the sheet


def describe(dataset: RawDataset, train_images: np.ndarray, settings) -> dict:
    """Return what data.json says: source, size, counts, and channel statistics of `train_images`.

    train_images: uint8 [n, 3, S, S]; settings: settings.Prepare.
    """
    total = squares = 0  # integers: exact, so the same on every machine
    for batch in np.array_split(train_images, len(train_images) // 1000 + 1):
        values = batch.astype(np.int64)
        total = total + values.sum(axis=(0, 2, 3))
        squares = squares + (values * values).sum(axis=(0, 2, 3))
    number = train_images[:, 0].size  # pixels of a channel
    mean = total / number / 255
    deviation = np.sqrt(squares / number / 255**2 - mean * mean)
    classes = dataset.classes
    counts = {
        split: np.bincount(labels, minlength=len(classes)).tolist()
        for split, labels in dataset.labels.items()
    }
    without = {"unlabelled_images": dataset.unlabelled} if dataset.unlabelled else {}
    return {
        "source": settings.source,
        "sha256": settings.sha256,
        "seed": settings.seed,
        "image_size": settings.image_size,
        "view_size": settings.view_size,
        "classes": list(classes),
        "train_counts": counts["train"],
        "test_counts": counts["test"],
        **without,
        "channel_means": mean.round(6).tolist(),
        "channel_deviations": deviation.round(6).tolist(),
    }


def contact_sheet(train_images: np.ndarray, train_labels: np.ndarray) -> Image.Image:
    """Show the first images of the first classes: a row for each class, pixels enlarged."""
    side = train_images.shape[-1]
    zoom = max(1, SHEET_SIDE // side)
    step = side * zoom + GAP
    rows = min(SHEET_CLASSES, int(train_labels.max()) + 1)
    sheet = Image.new("RGB", (SHEET_IMAGES * step + GAP, rows * step + GAP), "white")
    for row in range(rows):
        for column, index in enumerate(np.flatnonzero(train_labels == row)[:SHEET_IMAGES]):
            pixels = np.ascontiguousarray(train_images[index].transpose(1, 2, 0))
            image = Image.fromarray(pixels)
            image = image.resize((side * zoom, side * zoom), Image.Resampling.NEAREST)
            sheet.paste(image, (GAP + column * step, GAP + row * step))
    return sheet


def data_card(description: dict) -> str:
    """Return a page of Markdown about the set, for people."""
    train, test = description["train_counts"], description["test_counts"]
    rows = zip(description["classes"], train, test, strict=True)
    side, unlabelled = description["image_size"], description.get("unlabelled_images", 0)
    lines = [
        f"# Data: {description['source']}",
        "",
        f"{sum(train):,} training and {sum(test):,} test images of {side} x {side} pixels, "
        f"{len(train)} classes, seed {description['seed']}.",
        *([f"{unlabelled:,} more images have no label."] if unlabelled else []),
        *([f"Content SHA-256: `{description['sha256']}`."] if description["sha256"] else []),
        "",
        "![contact sheet](contact_sheet.png)",
        "",
        "| class | train | test |",
        "| --- | ---: | ---: |",
        *(f"| {printable(name)} | {a} | {b} |" for name, a, b in rows),
        "",
        "| training pixels in [0, 1] | red | green | blue |",
        "| --- | ---: | ---: | ---: |",
        _channel_row("mean", description["channel_means"]),
        _channel_row("deviation", description["channel_deviations"]),
    ]
    return "\n".join(lines) + "\n"


def _channel_row(name: str, values: list[float]) -> str:
    return f"| {name} | " + " | ".join(f"{x:.4f}" for x in values) + " |"
