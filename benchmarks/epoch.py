"""An epoch of pre-training, everything included, against the pipelines that people use today.

    python -m benchmarks.epoch [--device cuda] [--depth 18 --batch 512] [--images N] [--json FILE]

* ours: stage `pretrain` as it is: images on the device, views made there in batch;
* torchvision: its PIL transforms in a DataLoader on all cores, images then copied to the device;
* lightly: its SimCLRTransform and data set, in the same DataLoader, where it is installed;
* kornia: its batch augmentations on the device.

All train the same networks with the same loss, optimiser and precision: only where views come from
differs. They take turns, an epoch each, crop, flip and colour distortion at 32x32 pixels.
"""

import os
import sys
from collections import OrderedDict
from importlib.util import find_spec
from pathlib import Path

import torch
from torch.utils.data import DataLoader, Dataset

from benchmarks import measure, views
from simclr import determinism, devices, rng
from simclr.config import ConfigError, build
from simclr.losses import nt_xent
from simclr.models.heads import build_head
from simclr.models.resnet import build_encoder
from simclr.settings.training import Pretrain
from simclr.training import loop
from simclr.training.optim import build_optimizer, learning_rate

NOWHERE = Path("no checkpoint of the benchmark")


def networks_of(settings, device) -> dict:
    """New networks, in training mode."""
    initial = rng.generator(0, "weights")
    encoder = devices.place_module(build_encoder(settings.encoder, initial), device)
    head = devices.place_module(build_head(settings.head, encoder.feature_dim, initial), device)
    return {"encoder": encoder.train(), "head": head.train()}


def ours(settings, images, device):
    """An epoch as stage `pretrain` has it."""
    model = torch.nn.Sequential(OrderedDict(networks_of(settings, device)))
    on_device = images.to(device)

    def objective(z, index):
        return nt_xent(*z.chunk(2), settings.loss.temperature)

    return lambda: loop.train(
        settings,
        on_device,
        model,
        objective,
        names=("loss", "accuracy", "entropy"),
        branches=2,
        checkpoint=NOWHERE,
        report=lambda *_: None,
    )


def rival(settings, batches, device, count: int):
    """An epoch over `batches()`, which yields views [2, B, 3, S, S] on the device."""
    modules = networks_of(settings, device)
    network = torch.nn.Sequential(*modules.values())
    optimizer = build_optimizer(settings.optimizer, modules.values())
    reduced = settings.precision == "bfloat16"

    def epoch():
        for step, pair in enumerate(batches()):
            rate = learning_rate(settings.optimizer, settings.batch_size, count, 1, step)
            for group in optimizer.param_groups:
                group["lr"] = rate
            x = pair.flatten(0, 1).contiguous(memory_format=torch.channels_last)
            with torch.autocast(device.type, torch.bfloat16, enabled=reduced):
                z = network(x)
            loss, *_ = nt_xent(*z.float().chunk(2), settings.loss.temperature)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    return epoch


def torchvision(settings, images, device):
    """Its PIL transforms in a DataLoader with a process for each core."""
    loader = loader_of(settings, views.TwoViews(images), device)

    def batches():
        for pairs in loader:
            yield pairs.to(device, non_blocking=True).transpose(0, 1)

    return rival(settings, batches, device, len(images))


def lightly(settings, images, device):
    """Its SimCLR views (PIL), of the same operators, by its data set in the same DataLoader."""
    from lightly.data import LightlyDataset
    from lightly.transforms import SimCLRTransform

    transform = SimCLRTransform(
        input_size=views.SIDE,
        cj_strength=views.SETTINGS.color_strength,
        min_scale=views.SETTINGS.min_area,
        gaussian_blur=0.0,
        normalize=None,
    )
    loader = loader_of(
        settings, LightlyDataset.from_torch_dataset(PILImages(images), transform), device
    )

    def batches():
        for (first, second), *_ in loader:
            yield torch.stack([view.to(device, non_blocking=True) for view in (first, second)])

    return rival(settings, batches, device, len(images))


class PILImages(Dataset):
    """What lightly's data set wraps: (transformed image, label)."""

    def __init__(self, images):
        self.images = measure.pil_images(images)
        self.transform = None  # lightly sets it

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return self.transform(self.images[index]), 0


def loader_of(settings, data: Dataset, device) -> DataLoader:
    """Batches of whole size, in another order each epoch, by a process for each core."""
    return DataLoader(
        data,
        batch_size=settings.batch_size,
        shuffle=True,
        drop_last=True,
        num_workers=len(os.sched_getaffinity(0)),
        persistent_workers=True,
        pin_memory=device.type == "cuda",
    )


def kornia(settings, images, device):
    """Its batch augmentations on the device, where the images lie."""
    transform, on_device = views.kornia_transform(), images.to(device)

    def batches():
        for index in torch.randperm(len(images)).to(device).split(settings.batch_size):
            if len(index) == settings.batch_size:
                pixels = on_device[index].float() / 255
                yield torch.stack([transform(pixels) for _ in range(2)])

    return rival(settings, batches, device, len(images))


def settings_of(arguments) -> dict:
    """Settings of stage `pretrain` for the options of the command line."""
    return {
        "views": {"operators": ["crop", "flip", "color"]},
        "encoder": {
            "depth": arguments.depth,
            "base_channels": arguments.channels,
            "stem": "cifar",
        },
        "loss": {"temperature": 0.5},
        "optimizer": {"base_lr": 1.0, "warmup_epochs": 0.0},
        "batch_size": arguments.batch,
        "epochs": 1,
        "device": arguments.device,
        "precision": "bfloat16" if arguments.device == "cuda" else "float32",
        "compile": arguments.compile,
    }


def main(argv=None):
    """Measure, print a table, and write the numbers as JSON where asked."""
    parser = measure.parser(
        "epoch", __doc__, depth=18, channels=64, batch=512, images=50_000, repetitions=5
    )
    parser.add_argument("--compile", action="store_true", help="ours by torch.compile")
    rivals = {"torchvision": torchvision, "lightly": lightly, "kornia": kornia}
    installed = [name for name in rivals if find_spec(name)]
    parser.add_argument("--rivals", nargs="*", default=installed, choices=rivals)
    arguments = parser.parse_args(argv)
    if absent := set(arguments.rivals) - set(installed):
        raise ConfigError(f"--rivals {min(absent)}: not installed.")
    if arguments.images < arguments.batch:
        raise ConfigError(f"--images {arguments.images}: fewer than a batch, {arguments.batch}.")
    device = devices.find_device(arguments.device)
    settings = build(Pretrain, settings_of(arguments))
    determinism.make_deterministic()
    images = measure.images_of(arguments.images)
    found = measure.about(arguments.device, arguments.repetitions, *rivals, "pillow")
    print(measure.header(found))
    contestants = {"ours": deterministic(ours(settings, images, device), True)}
    for name in arguments.rivals:  # Kornia has kernels that are not deterministic
        contestants[name] = deterministic(rivals[name](settings, images, device), False)
    seconds = measure.take_turns(contestants, arguments.repetitions)
    counted = arguments.images // arguments.batch * arguments.batch
    what = (
        f"ResNet-{arguments.depth}, {arguments.channels} channels, {counted:,} images, "
        f"batches of {arguments.batch}"
    )
    case = measure.case("images/s", counted, seconds, "ours")
    print(f"{what}\n{measure.table(case)}")
    measure.save(arguments.json, found, {what: case})


def deterministic(run, really: bool):
    """The function, run with deterministic kernels or not."""

    def wrapped():
        torch.use_deterministic_algorithms(really)
        torch.utils.deterministic.fill_uninitialized_memory = False
        run()

    return wrapped


if __name__ == "__main__":
    sys.exit(measure.run(main))
