"""A linear classifier on an encoder: built, trained together with it by labels, and tested."""

import torch.nn.functional as F
from torch import nn

from simclr import loop, pixels

NAMES = ("loss", "train_top1")


def build(dim: int, classes, generator) -> nn.Linear:
    """A linear classifier of features [N, dim]; weights N(0, 0.01), as the authors' code has it."""
    linear = nn.Linear(dim, len(classes))
    nn.init.normal_(linear.weight, 0, 0.01, generator=generator)
    nn.init.zeros_(linear.bias)
    return linear


def train(settings, images, labels, encoder, linear, checkpoint, report) -> list[dict]:
    """Train both with cross entropy on one view an image; returns the curves (see loop.train).

    images: as `loop.batches` has them; labels: int64 [N], on the device.
    """

    def objective(scores, index):
        """Cross entropy of scores [B, classes] of one view of B images, and their accuracy.

        Both are this rank's part of the batch's mean.
        """
        wanted = labels[index]
        hits = (scores.detach().argmax(1) == wanted).sum()
        loss = F.cross_entropy(scores, wanted, reduction="sum")
        return loss / settings.batch_size, 100 * hits / settings.batch_size

    modules = {"encoder": encoder, "classifier": linear}
    return loop.train(settings, images, modules, objective, NAMES, 1, checkpoint, report)


def test(encoder, linear, data, device) -> dict[str, float]:
    """Accuracy on the test images in percent: top1, and top5 (100 with up to five classes)."""
    encoder.eval()  # running statistics
    images, labels = pixels.of(data, "test", device), loop.to_device(data.test_labels, device)
    scores = loop.predict(lambda x: {"scores": linear(encoder(x))}, images)["scores"]
    return {"top1": loop.accuracy(scores, labels), "top5": loop.accuracy(scores, labels, 5)}
