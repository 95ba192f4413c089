"""Stage `pretrain`: contrastive training of the encoder f and the projection head g (paper 2).

Writes encoder.safetensors (torchvision's names, no classifier), head.safetensors (unless there is
no head), curves.csv (a line an epoch) and training.json (means over the last epoch's steps). The
images are those of `train`, those without labels (`images: unlabelled`), or both. With
`online`, a linear classifier also learns on h, without gradient to h (paper B.6): `loss` then
includes its cross entropy, and training.json has its accuracy on the test images, online_h.
"""

from pathlib import Path

import torch.nn.functional as F
from torch import Tensor, nn

from simclr import devices, files
from simclr.data import image_store
from simclr.losses import contrastive_loss
from simclr.models import heads, weights
from simclr.training import loop, setup, supervised

SUMMARIES = ("loss", "contrastive_accuracy", "contrastive_entropy")


class SimCLR(nn.Module):
    """An encoder f, a projection head g and, if asked for, a linear classifier on h = f(x)."""

    def __init__(self, encoder: nn.Module, head: nn.Module, classifier: nn.Module | None = None):
        super().__init__()
        self.encoder, self.head, self.classifier = encoder, head, classifier

    def forward(self, x: Tensor):
        """Map views x [2B, 3, S, S] to z [2B, d], or to (z, scores [2B, classes])."""
        h = self.encoder(x)
        z = self.head(h)
        if self.classifier is None:
            return z
        return z, self.classifier(h.detach())  # no gradient reaches h


def run(settings, inputs, out: Path, checkpoint: Path, report) -> None:
    """Train on the images of inputs["data"]; settings: settings.Pretrain. Raises ConfigError."""
    data, device, initial, encoder = setup.set_up_training(settings, inputs["data"])
    head = heads.build_head(settings.head, encoder.feature_dim, initial)
    model = SimCLR(encoder, devices.place_module(head, device))
    names = SUMMARIES
    if settings.online:
        classifier = heads.build_classifier(encoder.feature_dim, data.classes, initial)
        model.classifier = classifier.to(device)
        names = (*SUMMARIES, "online_loss")
    labels = devices.to_device(data.train_labels, device)

    def objective(output, index):
        """Loss and summaries of the output for 2B views of images `index` [B]."""
        if not settings.online:
            return contrastive_loss(output, settings.loss, settings.batch_size)
        z, scores = output
        loss, accuracy, entropy = contrastive_loss(z, settings.loss, settings.batch_size)
        online_loss = F.cross_entropy(scores, labels[index].repeat(2), reduction="sum")
        online_loss = online_loss / (2 * settings.batch_size)
        return loss + online_loss, accuracy, entropy, online_loss.detach()

    curves = loop.train(
        settings,
        image_store.open_split(data, settings.images, device),
        model,
        objective,
        names=names,
        branches=2,
        checkpoint=checkpoint,
        report=report,
    )
    weights.save_network(out / "encoder.safetensors", encoder, settings.encoder, inputs["data"])
    if settings.head.kind != "none":
        weights.save_network(out / "head.safetensors", head, settings.head, inputs["data"])
    files.write_curves(out / "curves.csv", curves)
    summary = {name: curves[-1][name] for name in names}
    if settings.online:
        top1 = supervised.test_classifier(encoder, model.classifier, data, device)["top1"]
        summary["online_h"] = top1
    files.write_metrics(out / "training.json", summary)
