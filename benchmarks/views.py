"""How fast views are made: ours against torchvision over PIL, and against Kornia, on this CPU.

    python -m benchmarks.views [--data PREPARED] [--json FILE]

All three make two views an image of the same images with the same operators, crop, flip and colour
distortion (paper A), parameters drawn for every image:

* ours: `views.draw` and `views.make` on uint8 batches, THREADS threads;
* torchvision: its PIL transforms, in a DataLoader with WORKERS processes, as is usual;
* kornia: its batch augmentations on float tensors, `same_on_batch=False`, THREADS threads.

The three take turns in one process tree, so that a busy machine slows all alike. Rates are views
per second, from images in memory to float32 batches.
"""

import sys
from pathlib import Path

import torch
from torch.utils.data import DataLoader, Dataset

from benchmarks import measure
from simclr.augment import pipeline
from simclr.config import ConfigError
from simclr.data import packed
from simclr.settings.training import Views

SIDE = measure.SIDE
THREADS = WORKERS = 2
SETTINGS = Views(operators=("crop", "flip", "color"))


class TwoViews(Dataset):
    """Two PIL views of each image, as float tensors [2, 3, S, S]."""

    def __init__(self, images):
        import torchvision.transforms as T

        s = SETTINGS.color_strength
        jitter = T.ColorJitter(0.8 * s, 0.8 * s, 0.8 * s, 0.2 * s)
        scale = (SETTINGS.min_area, 1.0)
        bicubic = T.InterpolationMode.BICUBIC
        self.transform = T.Compose(
            [
                T.RandomResizedCrop(SIDE, scale=scale, interpolation=bicubic),
                T.RandomHorizontalFlip(),
                T.RandomApply([jitter], p=0.8),
                T.RandomGrayscale(p=0.2),
                T.ToTensor(),
            ]
        )
        self.images = measure.pil_images(images)

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return torch.stack([self.transform(self.images[index]) for _ in range(2)])


def ours(images, batch_size: int):
    """Return a function that makes all views once."""
    generator = torch.Generator().manual_seed(0)

    def make_all():
        for batch in images.split(batch_size):
            drawn = pipeline.draw(SETTINGS, len(batch), SIDE, generator)
            pipeline.make(batch, drawn, SETTINGS)

    return make_all


def torchvision(images, batch_size: int):
    """The same by torchvision's PIL transforms in worker processes."""
    loader = DataLoader(
        TwoViews(images), batch_size=batch_size, num_workers=WORKERS, persistent_workers=True
    )

    def make_all():
        for _ in loader:
            pass

    return make_all


def kornia(images, batch_size: int):
    """The same by Kornia's batch augmentations."""
    transform = kornia_transform()

    def make_all():
        for batch in images.split(batch_size):
            pixels = batch.float() / 255
            for _ in range(2):
                transform(pixels)

    return make_all


def kornia_transform():
    """Its batch augmentations, drawn for every image, pixels [N, 3, S, S] -> views."""
    import kornia.augmentation as K

    s = SETTINGS.color_strength
    return torch.nn.Sequential(
        K.RandomResizedCrop(
            (SIDE, SIDE),
            scale=(SETTINGS.min_area, 1.0),
            resample="bicubic",
            cropping_mode="resample",
            same_on_batch=False,
        ),
        K.RandomHorizontalFlip(p=0.5, same_on_batch=False),
        K.ColorJitter(0.8 * s, 0.8 * s, 0.8 * s, 0.2 * s, p=0.8, same_on_batch=False),
        K.RandomGrayscale(p=0.2, same_on_batch=False),
    )


def load_images(folder: Path | None, count: int):
    """`count` images uint8 [count, 3, S, S]: of a prepared data set, or else patterns."""
    if folder is None:
        return measure.images_of(count)
    images = torch.from_numpy(packed.load(folder).train_images[:count].copy())
    if images.shape[-1] != SIDE:
        raise ConfigError(f"--data {folder}: images of {images.shape[-1]} pixels, not {SIDE}.")
    return images


def main(argv=None):
    """Measure, print a table, and write the numbers as JSON where asked."""
    parser = measure.parser("views", __doc__, device=False, images=4096, batch=1024, repetitions=7)
    parser.add_argument("--data", type=Path, help="a prepared data set of 32x32 images")
    arguments = parser.parse_args(argv)

    torch.set_num_threads(THREADS)
    images = load_images(arguments.data, arguments.images)
    makers = (ours, torchvision, kornia)
    contestants = {make.__name__: make(images, arguments.batch) for make in makers}
    seconds = measure.take_turns(contestants, arguments.repetitions)
    found = measure.about("cpu", arguments.repetitions, "torchvision", "kornia", "pillow")
    what = f"{2 * len(images):,} views of {SIDE} x {SIDE} pixels"
    case = measure.case("views/s", 2 * len(images), seconds, "ours")
    print(f"{measure.header(found)}\n{what}\n{measure.table(case)}")
    measure.save(arguments.json, found, {what: case})


if __name__ == "__main__":
    sys.exit(measure.run(main))
