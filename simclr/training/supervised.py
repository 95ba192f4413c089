"""Train an encoder and a linear classifier together with labels, and test them."""

from collections import OrderedDict

import torch.nn.functional as F
from torch import nn

from simclr import devices, features
from simclr.data import image_store
from simclr.training import loop

NAMES = ("loss", "train_top1")


def train_classifier(
    settings, images, labels, encoder, classifier, *, checkpoint, report
) -> list[dict]:
    """Train both with cross entropy on one view of an image; returns the curves (see loop.train).

    images: an ImageStore; labels: int64 [N], on the device.
    """

    def objective(scores, index):
        """Cross entropy and accuracy of scores [B, classes]: this rank's part of the means."""
        targets = labels[index]
        hits = (scores.detach().argmax(1) == targets).sum()
        loss = F.cross_entropy(scores, targets, reduction="sum")
        return loss / settings.batch_size, 100 * hits / settings.batch_size

    return loop.train(
        settings,
        images,
        nn.Sequential(OrderedDict(encoder=encoder, classifier=classifier)),
        objective,
        names=NAMES,
        branches=1,
        checkpoint=checkpoint,
        report=report,
    )


def test_classifier(encoder, classifier, data, device) -> dict[str, float]:
    """Accuracy on the test images in percent: top1, and top5 (100 with up to five classes)."""
    encoder.eval()  # running statistics
    images = image_store.open_split(data, "test", device)
    labels = devices.to_device(data.test_labels, device)
    scores = features.predict(lambda x: {"scores": classifier(encoder(x))}, images)["scores"]
    return {"top1": features.accuracy(scores, labels), "top5": features.accuracy(scores, labels, 5)}
