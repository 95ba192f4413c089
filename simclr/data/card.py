"""The data card and the contact sheet of a prepared set."""

import numpy as np
from PIL import Image

SHEET = (10, 12)  # of the contact sheet: classes, images of each
SHEET_SIDE = 64  # pixels of an image on it, at least


def describe(classes, labels, train_images: np.ndarray, settings) -> dict:
    """What data.json says: where the set is from, its size, counts, channel statistics."""
    total = squares = 0  # integers: exact, so the same on every machine
    for some in np.array_split(train_images, len(train_images) // 1000 + 1):
        values = some.astype(np.int64)
        total = total + values.sum(axis=(0, 2, 3))
        squares = squares + (values * values).sum(axis=(0, 2, 3))
    number = train_images[:, 0].size  # pixels of a channel
    mean = total / number / 255
    deviation = np.sqrt(squares / number / 255**2 - mean * mean)
    counts = {s: np.bincount(labels[s], minlength=len(classes)).tolist() for s in labels}
    return {
        "source": settings.source,
        "sha256": settings.sha256,
        "seed": settings.seed,
        "image_size": settings.image_size,
        "view_size": settings.view_size,
        "classes": list(classes),
        "train_counts": counts["train"],
        "test_counts": counts["test"],
        "channel_means": mean.round(6).tolist(),
        "channel_deviations": deviation.round(6).tolist(),
    }


def contact_sheet(train_images: np.ndarray, train_labels: np.ndarray) -> Image.Image:
    """The first images of the first classes, a row a class, enlarged pixel by pixel."""
    side = train_images.shape[-1]
    zoom, gap = max(1, SHEET_SIDE // side), 4
    step = side * zoom + gap
    rows = min(SHEET[0], int(train_labels.max()) + 1)
    sheet = Image.new("RGB", (SHEET[1] * step + gap, rows * step + gap), "white")
    for row in range(rows):
        for column, index in enumerate(np.flatnonzero(train_labels == row)[: SHEET[1]]):
            pixels = np.ascontiguousarray(train_images[index].transpose(1, 2, 0))
            image = Image.fromarray(pixels)
            image = image.resize((side * zoom, side * zoom), Image.Resampling.NEAREST)
            sheet.paste(image, (gap + column * step, gap + row * step))
    return sheet


def card(description: dict) -> str:
    """The data card: a page of Markdown about the set, for people."""
    train, test = description["train_counts"], description["test_counts"]
    rows = zip(description["classes"], train, test, strict=True)
    side = description["image_size"]
    lines = [
        f"# Data: {description['source']}",
        "",
        f"{sum(train):,} training and {sum(test):,} test images of {side} x {side} pixels, "
        f"{len(train)} classes, seed {description['seed']}.",
        *([f"Content SHA-256: `{description['sha256']}`."] if description["sha256"] else []),
        "",
        "![contact sheet](contact_sheet.png)",
        "",
        "| class | train | test |",
        "| --- | ---: | ---: |",
        *(f"| {name} | {a} | {b} |" for name, a, b in rows),
        "",
        "| training pixels in [0, 1] | red | green | blue |",
        "| --- | ---: | ---: | ---: |",
        "| mean | " + " | ".join(f"{x:.4f}" for x in description["channel_means"]) + " |",
        "| deviation | " + " | ".join(f"{x:.4f}" for x in description["channel_deviations"]) + " |",
    ]
    return "\n".join(lines) + "\n"
