"""Stage `examples`: what each augmentation does to some images (for Figures 2, 3 and 4).

Writes, in pixels of the images:

    examples.csv  image, operator, pixels, box (which part is shown: y x h w); the operator is
                  `original`, a single one, or `views`, all of the base setting together, twice
    crops.csv     pairs of crops of one image: its side, both boxes, iou (their common area over
                  the area they cover) and inside (over that of the smaller one)
    metrics.json  in percent: shift_<operator>, the mean absolute change of a pixel, of its range,
                  over all images drawn; crops_iou, the mean over the pairs; crops_nested and
                  crops_apart, the shares of pairs with `inside` of 90 % or more, `iou` below 10 %
"""

import dataclasses
from pathlib import Path

import torch

from simclr import files
from simclr.augment import pipeline
from simclr.data import image_store, packed, pictures
from simclr.settings.measuring import Examples
from simclr.settings.training import Views

SINGLE = ("crop", "flip", "color", "blur", "cutout", "sobel", "noise", "rotate")
PAIRS = 500  # of crops
NESTED, APART = 0.9, 0.1  # least `inside` of one crop in the other; most `iou` of adjacent ones
BOX = ("y", "x", "h", "w")


def run(settings: Examples, inputs: dict, out: Path, checkpoint: Path, report) -> None:
    """Draw views of test images of inputs["data"], one of each class."""
    data = packed.load(inputs["data"])
    rows = torch.from_numpy(data.first_tests()[: settings.images])
    images = image_store.open_split(data, "test", torch.device("cpu"), rows).eval_images()
    side = images.shape[3]
    whole = torch.tensor([0, 0, side, side]).expand(len(images), 4)
    batches = [("original", images, whole)]
    metrics = {}
    for name in SINGLE:
        alone = dataclasses.replace(settings.views, operators=(name,), blur_probability=1.0)
        drawn = draw(alone, len(images), side, settings.seed)
        # Always applied, to show what it does.
        drawn |= {k: torch.ones_like(drawn[k]) for k in ("flip", "jitter") if k in drawn}
        view = make_views(images, drawn, alone)[0]
        batches.append((name, view, drawn.get("crop", [whole])[0]))
        metrics[f"shift_{name}"] = float((view.float() - images.float()).abs().mean() / 2.55)
    drawn = draw(settings.views, len(images), side, settings.seed)
    views = make_views(images, drawn, settings.views)
    batches += zip(("views",) * 2, views, drawn.get("crop", [whole] * 2), strict=True)
    cells = [
        (number, name, pictures.to_text(image.numpy()), " ".join(map(str, box)))
        for name, batch, boxes in batches
        for number, (image, box) in enumerate(zip(batch, boxes.tolist(), strict=True))
    ]
    files.write_csv(out / "examples.csv", ("image", "operator", "pixels", "box"), cells)
    files.write_metrics(out / "metrics.json", metrics | write_crops(settings, side, out))
    report(1.0, "views")


def write_crops(settings: Examples, side: int, out: Path) -> dict[str, float]:
    """Write crops.csv and return its metrics; side: of the image."""
    crop = dataclasses.replace(settings.views, operators=("crop",))
    boxes = draw(crop, PAIRS, side, settings.seed)["crop"]
    iou, inside = overlaps(*boxes)
    pairs = [
        (side, *first, *second, f"{one:.4f}", f"{other:.4f}")
        for first, second, one, other in zip(*boxes.tolist(), iou, inside, strict=True)
    ]
    columns = [f"{name}{view}" for view in (1, 2) for name in BOX]
    files.write_csv(out / "crops.csv", ("side", *columns, "iou", "inside"), pairs)
    return {
        "crops_iou": float(100 * iou.mean()),
        "crops_nested": float(100 * (inside >= NESTED).double().mean()),
        "crops_apart": float(100 * (iou < APART).double().mean()),
    }


def draw(views: Views, n: int, side: int, seed: int) -> dict[str, torch.Tensor]:
    """Draw what makes two views of n images of `side` pixels: see `pipeline.draw`."""
    # Not by rng.generator, whose streams are others: it would change the published images.
    return pipeline.draw(views, n, side, torch.Generator().manual_seed(seed))


def make_views(images: torch.Tensor, drawn: dict, views: Views) -> torch.Tensor:
    """Return two views of images uint8 [n, 3, S, S]: uint8 [2, n, 3, S, S]."""
    return (pipeline.make(images, drawn, views) * 255).round().to(torch.uint8)


def overlaps(first: torch.Tensor, second: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return how boxes (y, x, h, w), int64 [n, 4] each, overlap: float64 [n] each.

    The first is the common area over the area that both cover; the second, over the smaller box.
    """
    start = torch.maximum(first[:, :2], second[:, :2])
    end = torch.minimum(first[:, :2] + first[:, 2:], second[:, :2] + second[:, 2:])
    common = (end - start).clamp(min=0).prod(1).double()
    areas = torch.stack([first[:, 2:].prod(1), second[:, 2:].prod(1)])
    return common / (areas.sum(0) - common), common / areas.amin(0)
