"""Images of ImageNet's size, from the disk to the network: packed once, or decoded every epoch.

    python -m benchmarks.loader [--images 1000] [--repetitions 5] [--json FILE]

On one core, in batches of 256 random images. `ours`: read from the packed set by memory map, ahead
of their use; `ours, without reading ahead`: nothing at the same time; `DataLoader`: JPEG files
decoded, cropped at random twice and resized to 224 pixels by torchvision in one worker, what every
view needs before colour and blur, which are made on the device by ours. `packing` is what ours does
once. Files are in the memory of the machine (no disk is measured), of about 500 x 400 pixels and
110 kB each.
"""

import os
import sys
import tempfile
from pathlib import Path

import torch
from PIL import Image
from torch.utils.data import DataLoader
from torchvision.transforms import v2

from benchmarks import measure
from simclr import determinism, rng
from simclr.config import build
from simclr.data import image_store, packed
from simclr.data.sources import imagenet
from simclr.settings.data import Prepare
from simclr.stages import prepare
from tests import jpegs

BATCH, STORED, VIEWS, SIDE = 256, 256, 224, 450.0
DETAIL = 12  # of the noise on the pictures: so that a file has about the bytes of ImageNet's
SETTINGS = {
    "source": "imagenet",
    "file": "set",
    "image_size": STORED,
    "view_size": VIEWS,
    "fit": "stretch",
}


class Decoded(torch.utils.data.Dataset):
    """The usual way: an image is decoded whenever it is wanted; two crops of it."""

    def __init__(self, files: list[Path]):
        self.files = files
        self.crop = v2.Compose(
            [
                v2.RandomResizedCrop(VIEWS, interpolation=v2.InterpolationMode.BICUBIC),
                v2.PILToTensor(),
            ]
        )

    def __len__(self):
        return len(self.files)

    def __getitem__(self, place):
        image = Image.open(self.files[place]).convert("RGB")
        return torch.stack([self.crop(image), self.crop(image)])


def batches(count: int, seed: int) -> list[torch.Tensor]:
    """Indices of an epoch, in random order."""
    return list(torch.randperm(count, generator=rng.generator(seed, "order")).split(BATCH))


def contestants(folder: Path, count: int) -> dict:
    """Functions that each bring `count` images to the CPU's memory, as tensors."""
    settings = build(Prepare, {**SETTINGS, "sha256": imagenet.fingerprint(folder / "set")})
    os.environ["SIMCLR_DATA_DIR"] = str(folder)

    def pack(out: Path) -> Path:
        out.mkdir()
        prepare.run(settings, {}, out, folder / "packing.safetensors", lambda *_: None)
        return out

    data = packed.load(pack(folder / "packed"))
    os.environ[image_store.RESIDENT_MIB] = "0"
    stored = image_store.open_split(data, "train", torch.device("cpu"))
    files = sorted((folder / "set" / "train").glob("*/*"))
    loader = DataLoader(
        Decoded(files), batch_size=BATCH, shuffle=True, num_workers=1, persistent_workers=True
    )

    def ours():
        for images in stored.prefetch(batches(count, 0)):
            assert len(images)

    def waiting():
        for index in batches(count, 0):
            assert len(stored.on_device(index))

    def usual():
        for views in loader:
            assert len(views)

    def packing():
        with tempfile.TemporaryDirectory(dir=folder) as where:
            pack(Path(where) / "again")

    return {
        "ours": ours,
        "ours, without reading ahead": waiting,
        "DataLoader": usual,
        "packing": packing,
    }


def main(argv=None):
    """Measure, print a table, and write the numbers as JSON where asked."""
    parser = measure.parser("loader", __doc__, device=False, images=1000, repetitions=5)
    arguments = parser.parse_args(argv)
    core = min(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})
    determinism.make_deterministic()
    found = measure.about("cpu", arguments.repetitions, "torchvision", "pillow")
    print(measure.header(found))
    classes = min(10, arguments.images)
    with tempfile.TemporaryDirectory() as where:
        folder = Path(where)
        each = -(-arguments.images // classes)
        jpegs.write_folder(folder / "set", classes, each, 1, SIDE, DETAIL)
        size = sum(file.stat().st_size for file in (folder / "set" / "train").glob("*/*"))
        count = classes * each
        seconds = measure.take_turns(contestants(folder, count), arguments.repetitions)
    what = f"{count:,} images of {size / count / 1000:.0f} kB, stored at {STORED} x {STORED} pixels"
    case = measure.case("images/s", count, seconds, "ours")
    print(f"{what}\n{measure.table(case)}")
    measure.save(arguments.json, found, {what: case})


if __name__ == "__main__":
    sys.exit(measure.run(main))
