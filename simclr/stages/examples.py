"""Stage `examples`: what each augmentation makes of some images (the counterpart of Fig. 4).

Writes examples.csv (image, operator, pixels; operator `original`, each single one, and `views`, all
of the base setting together, twice) and metrics.json: shift_<operator>, the mean absolute change of
a pixel in percent of its range, over all images drawn.
"""

import dataclasses
import json
from pathlib import Path

import numpy as np
import torch

from simclr.augment import pipeline
from simclr.data import image_store, packed, pictures
from simclr.settings import Examples

SINGLE = ("crop", "flip", "color", "blur", "cutout", "sobel", "noise", "rotate")


def run(settings: Examples, inputs: dict, out: Path, checkpoint: Path, report) -> None:
    """Draw views of images of inputs["data"], one of each class in turn."""
    data = packed.load(inputs["data"])
    first = [np.flatnonzero(data.test_labels == label)[0] for label in range(len(data.classes))]
    some = image_store.open_split(
        data, "test", torch.device("cpu"), torch.tensor(first[: settings.images])
    )
    images = torch.from_numpy(np.stack([some.plain(k) for k in range(len(some))]))
    shown = [("original", images)]
    for name in SINGLE:
        shown.append((name, made(images, (name,), settings)[0]))
    for view in made(images, settings.views.operators, settings):
        shown.append(("views", view))
    plain = images.float()
    shifts = {
        f"shift_{name}": float((made_.float() - plain).abs().mean() / 2.55)
        for name, made_ in shown
        if name in SINGLE
    }
    rows = [
        (place, name, image.numpy()) for name, batch in shown for place, image in enumerate(batch)
    ]
    pictures.write(out / "examples.csv", ("image", "operator", "pixels"), rows)
    (out / "metrics.json").write_text(json.dumps(shifts, indent=1, sort_keys=True) + "\n")
    report(1.0, "views")


def made(images: torch.Tensor, operators: tuple, settings: Examples) -> torch.Tensor:
    """Two views, uint8 [2, n, 3, S, S], of images uint8 [n, 3, S, S]."""
    how = dataclasses.replace(settings.views, operators=operators, blur_probability=1.0)
    generator = torch.Generator().manual_seed(settings.seed)
    drawn = pipeline.draw(how, len(images), images.shape[3], generator)
    if len(operators) == 1:  # shown as it is where it happens
        drawn |= {k: torch.ones_like(drawn[k]) for k in ("flip", "jitter") if k in drawn}
    return (pipeline.make(images, drawn, how) * 255).round().to(torch.uint8)
