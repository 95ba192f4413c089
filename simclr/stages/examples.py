"""Stage `examples`: what each augmentation does to some images (the counterpart of Fig. 4).

Writes examples.csv (image, operator, pixels), where the operator is `original`, a single one, or
`views`, all of the base setting together, twice. Also metrics.json: shift_<operator>, the mean
absolute change of a pixel in percent of its range, over all images drawn.
"""

import dataclasses
from pathlib import Path

import torch

from simclr import files
from simclr.augment import pipeline
from simclr.data import image_store, packed, pictures
from simclr.settings.measuring import Examples

SINGLE = ("crop", "flip", "color", "blur", "cutout", "sobel", "noise", "rotate")


def run(settings: Examples, inputs: dict, out: Path, checkpoint: Path, report) -> None:
    """Draw views of test images of inputs["data"], one of each class."""
    data = packed.load(inputs["data"])
    rows = torch.from_numpy(data.first_tests()[: settings.images])
    images = image_store.open_split(data, "test", torch.device("cpu"), rows).eval_images()
    batches = [("original", images)]
    metrics = {}
    for name in SINGLE:
        view = draw_views(images, (name,), settings)[0]
        batches.append((name, view))
        metrics[f"shift_{name}"] = float((view.float() - images.float()).abs().mean() / 2.55)
    for view in draw_views(images, settings.views.operators, settings):
        batches.append(("views", view))
    cells = [
        (number, name, pictures.to_text(image.numpy()))
        for name, batch in batches
        for number, image in enumerate(batch)
    ]
    files.write_csv(out / "examples.csv", ("image", "operator", "pixels"), cells)
    files.write_metrics(out / "metrics.json", metrics)
    report(1.0, "views")


def draw_views(images: torch.Tensor, operators: tuple, settings: Examples) -> torch.Tensor:
    """Return two views of images uint8 [n, 3, S, S]: uint8 [2, n, 3, S, S]."""
    views = dataclasses.replace(settings.views, operators=operators, blur_probability=1.0)
    # Not by rng.generator, whose streams are others: it would change the published images.
    generator = torch.Generator().manual_seed(settings.seed)
    drawn = pipeline.draw(views, len(images), images.shape[3], generator)
    if len(operators) == 1:  # a single operator is always applied, to show what it does
        drawn |= {k: torch.ones_like(drawn[k]) for k in ("flip", "jitter") if k in drawn}
    return (pipeline.make(images, drawn, views) * 255).round().to(torch.uint8)
