"""Linear evaluation of a frozen encoder, both protocols, against the usual way.

    python -m benchmarks.evaluate [--device cuda] [--depth 18 --images N --epochs N] [--json FILE]

* floor: the encoder's forward pass over the training images, once, on ready pixels;
* features: features of the plain images once, then classifiers on h and on z;
* augmented: the paper's protocol, new crops and flips every epoch, made on the device;
* torchvision: the same protocol with PIL transforms in a DataLoader on all cores, h alone.

The frozen networks are in bfloat16 on a GPU (`augmented, float32` is not). All train the same
number of epochs; they take turns.
"""

import os
import sys

import torch
from torch.utils.data import DataLoader, Dataset

from benchmarks import measure
from benchmarks.step import encoder_of
from simclr import determinism, devices, rng
from simclr.data.sources import patterns
from simclr.features import features_of, predict, project
from simclr.models.heads import build_head
from simclr.models.resnet import build_encoder
from simclr.settings.measuring import Evaluate
from simclr.settings.training import Encoder, Head
from simclr.stages import evaluate
from simclr.training.order import stored_batches


class Views(Dataset):
    """One crop, maybe flipped, of each image by torchvision over PIL, and the image's number."""

    def __init__(self, images):
        import torchvision.transforms as T

        bicubic = T.InterpolationMode.BICUBIC
        crop = T.RandomResizedCrop(measure.SIDE, interpolation=bicubic)
        self.transform = T.Compose([crop, T.RandomHorizontalFlip(), T.ToTensor()])
        self.images = measure.pil_images(images)

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return self.transform(self.images[index]), index


def contestants(settings, encoder: Encoder, count: int, device) -> dict:
    """Functions that extract features and train the classifiers of `count` images."""
    pixels, labels = patterns.generate(count, measure.SIDE, 0, "train")
    pixels = torch.from_numpy(pixels.copy())
    labels = torch.from_numpy(labels.copy()).long().to(device)
    images, batch = pixels.to(device), settings.batch_size
    h = devices.place_module(build_encoder(encoder, rng.generator(0, "weights")), device).eval()
    z = devices.place_module(
        build_head(Head(), h.feature_dim, rng.generator(0, "head")), device
    ).eval()
    networks, reduced = {"h": h, "z": z}, settings.precision == "bfloat16"

    def train(sizes, batches):
        classes = int(labels.max()) + 1
        evaluate.train_linear(settings, sizes, classes, labels, batches, lambda *_: None)

    def floor():
        predict(lambda x: project({"h": h}, x, reduced), images)

    def features():
        stored = features_of(networks, images, reduced)
        train(
            {name: x.shape[1] for name, x in stored.items()},
            lambda epoch: stored_batches(stored, 0, batch, epoch),
        )

    def augmented(reduced=reduced):
        train(
            {"h": h.feature_dim, "z": 128},
            lambda epoch: evaluate.augmented_batches(
                networks, images, seed=0, batch_size=batch, epoch=epoch, reduced=reduced
            ),
        )

    loader = DataLoader(
        Views(pixels),
        batch_size=batch,
        shuffle=True,
        drop_last=True,
        num_workers=len(os.sched_getaffinity(0)),
        persistent_workers=True,
        pin_memory=device.type == "cuda",
    )

    def usual(epoch):
        for x, index in loader:
            x = x.to(device, memory_format=torch.channels_last, non_blocking=True)
            yield index.to(device), project({"h": h}, x, reduced)

    def torchvision():
        train({"h": h.feature_dim}, usual)

    exact = {"augmented, float32": lambda: augmented(False)} if reduced else {}
    return {f.__name__: f for f in (floor, features, augmented, torchvision)} | exact


def main(argv=None):
    """Measure, print a table, and write the numbers as JSON where asked."""
    parser = measure.parser(
        "evaluate", __doc__, depth=18, channels=64, images=50_000, epochs=10, repetitions=5
    )
    arguments = parser.parse_args(argv)
    device = devices.find_device(arguments.device)
    encoder = encoder_of(arguments)
    determinism.make_deterministic()
    settings = Evaluate(
        batch_size=min(512, arguments.images),
        epochs=arguments.epochs,
        device=arguments.device,
        precision="bfloat16" if arguments.device == "cuda" else "float32",
    )
    found = measure.about(arguments.device, arguments.repetitions, "torchvision", "pillow")
    print(measure.header(found))
    functions = contestants(settings, encoder, arguments.images, device)
    seconds = measure.take_turns(functions, arguments.repetitions)
    what = (
        f"ResNet-{arguments.depth}, {arguments.channels} channels, {arguments.images:,} images, "
        f"{arguments.epochs} epochs"
    )
    case = measure.case("images/s", arguments.images * arguments.epochs, seconds, "augmented")
    print(f"{what}\n{measure.table(case)}")
    measure.save(arguments.json, found, {what: case})


if __name__ == "__main__":
    sys.exit(measure.run(main))
