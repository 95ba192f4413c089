"""A linear classifier on an encoder: built, trained together with it by labels, and tested."""

import torch.nn.functional as F

from simclr import devices, features
from simclr.data import image_store
from simclr.training import loop

NAMES = ("loss", "train_top1")


def train_classifier(settings, images, labels, encoder, linear, checkpoint, report) -> list[dict]:
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


def test_classifier(encoder, linear, data, device) -> dict[str, float]:
    """Accuracy on the test images in percent: top1, and top5 (100 with up to five classes)."""
    encoder.eval()  # running statistics
    images, labels = (
        image_store.open_split(data, "test", device),
        devices.to_device(data.test_labels, device),
    )
    scores = features.predict(lambda x: {"scores": linear(encoder(x))}, images)["scores"]
    return {"top1": features.accuracy(scores, labels), "top5": features.accuracy(scores, labels, 5)}
