"""Stage `pretrain`: contrastive training of the encoder f and the projection head g (paper 2).

Writes encoder.safetensors (torchvision's names, no classifier), head.safetensors (unless there is
no head), curves.csv (a line an epoch) and training.json (means over the last epoch's steps). With
`online`, a linear classifier learns on h meanwhile, without gradient to h (paper B.6): `loss` then
has its cross entropy in it, and training.json its accuracy on the test images, online_h.
"""

from pathlib import Path

import torch.nn.functional as F

from simclr import devices, files
from simclr.data import image_store
from simclr.losses import cross_view_loss, nt_xent
from simclr.models import heads, weights
from simclr.models.heads import build_head
from simclr.training import loop, setup, supervised

NAMES = ("loss", "contrastive_accuracy", "contrastive_entropy")


def run(settings, inputs, out: Path, checkpoint: Path, report) -> None:
    """Train on the images of inputs["data"]; settings: settings.Pretrain. Raises ConfigError."""
    data, device, initial, encoder = setup.set_up_training(settings, inputs["data"])
    head = devices.place_module(build_head(settings.head, encoder.feature_dim, initial), device)
    modules, names = {"encoder": encoder, "head": head}, NAMES
    network = None
    count, how = settings.batch_size, settings.loss

    def contrast(z):
        """Loss of the projections z [2B, d] of two views of B images, and its summaries."""
        if (how.kind, how.negatives) == ("nt_xent", "both_views"):
            return nt_xent(*z.chunk(2), how.temperature, how.normalize, count)
        return cross_view_loss(*z.chunk(2), how, count)

    def objective(output, index):
        """The same; with a classifier its cross entropy as well."""
        if not settings.online:
            return contrast(output)
        z, scores = output
        loss, *summaries = contrast(z)
        wanted = labels[index].repeat(2)
        extra = F.cross_entropy(scores, wanted, reduction="sum") / (2 * count)
        return loss + extra, *summaries, extra.detach()

    if settings.online:
        labels = devices.to_device(data.train_labels, device)
        linear = heads.build_classifier(encoder.feature_dim, data.classes, initial).to(device)
        modules, names = {**modules, "classifier": linear}, (*NAMES, "online_loss")

        def network(views):
            h = encoder(views)
            return head(h), linear(h.detach())

    images = image_store.open_split(data, "train", device)
    how_to = checkpoint, report, network
    curves = loop.train(settings, images, modules, objective, names, 2, *how_to)

    for name, one, kept in (("encoder", encoder, settings.encoder), ("head", head, settings.head)):
        if name == "encoder" or settings.head.kind != "none":
            weights.save_network(out / f"{name}.safetensors", one, kept, inputs["data"])
    files.write_curves(out / "curves.csv", curves)
    summary = {name: curves[-1][name] for name in names}
    if settings.online:
        summary["online_h"] = supervised.test_classifier(encoder, linear, data, device)["top1"]
    files.write_metrics(out / "training.json", summary)
