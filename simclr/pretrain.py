"""Stage `pretrain`: contrastive training of the encoder f and the projection head g (paper 2).

Writes encoder.safetensors (torchvision's names, no classifier), head.safetensors (unless there is
no head), curves.csv (a line an epoch) and training.json (means over the last epoch's steps).
"""

from pathlib import Path

from simclr import loop, weights
from simclr.head import build_head
from simclr.losses import nt_xent

NAMES = ("loss", "contrastive_accuracy", "contrastive_entropy")


def run(settings, inputs, out: Path, checkpoint: Path, report) -> None:
    """Train on the images of inputs["data"]; settings: settings.Pretrain. Raises ConfigError."""
    data, device, initial, encoder = loop.begin(settings, inputs["data"])
    head = loop.place(build_head(settings.head, encoder.feature_dim, initial), device)
    how = settings.loss.temperature, settings.loss.normalize

    def objective(z, index):
        """NT-Xent of the projections z [2B, d] of two views of B images, and its summaries."""
        return nt_xent(*z.chunk(2), *how, settings.batch_size)

    images = loop.to_device(data.train_images, device)
    modules = {"encoder": encoder, "head": head}
    curves = loop.train(settings, images, modules, objective, NAMES, 2, checkpoint, report)

    for name, one, how in (("encoder", encoder, settings.encoder), ("head", head, settings.head)):
        if name == "encoder" or settings.head.kind != "none":
            weights.save_network(out / f"{name}.safetensors", one, how, inputs["data"])
    loop.write_curves(out / "curves.csv", curves)
    loop.write_json(out / "training.json", {name: curves[-1][name] for name in NAMES})
