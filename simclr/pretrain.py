"""Stage `pretrain`: contrastive training of the encoder f and the projection head g (paper 2).

Writes encoder.safetensors (torchvision's names, no classifier), head.safetensors (unless there is
no head), curves.csv (a line an epoch) and training.json (means over the last epoch's steps).
"""

from pathlib import Path

from simclr import loop, packed, weights
from simclr.encoder import build_encoder
from simclr.head import build_head
from simclr.losses import contrastive_accuracy, contrastive_entropy, nt_xent

NAMES = ("loss", "contrastive_accuracy", "contrastive_entropy")


def run(settings, inputs, out: Path, checkpoint: Path, report) -> None:
    """Train on the images of inputs["data"]; settings: settings.Pretrain. Raises ConfigError."""
    data = packed.load(inputs["data"])
    loop.steps_per_epoch(len(data.train_images), settings.batch_size)
    device = loop.find_device(settings.device)
    initial = loop.generator(settings.seed, "weights")
    encoder = loop.place(build_encoder(settings.encoder, initial), device)
    head = loop.place(build_head(settings.head, encoder.feature_dim, initial), device)

    def objective(z, index):
        """NT-Xent of the projections z [2B, d] of two views of B images, and its summaries."""
        a, b = z.chunk(2)
        loss, logits = nt_xent(a, b, settings.loss.temperature, settings.loss.normalize)
        return loss, contrastive_accuracy(logits), contrastive_entropy(logits)

    images = loop.to_device(data.train_images, device)
    modules = {"encoder": encoder, "head": head}
    curves = loop.train(settings, images, modules, objective, NAMES, 2, checkpoint, report)

    for name, one, how in (("encoder", encoder, settings.encoder), ("head", head, settings.head)):
        if name == "encoder" or settings.head.kind != "none":
            weights.save_network(out / f"{name}.safetensors", one, how, inputs["data"])
    loop.write_curves(out / "curves.csv", curves)
    loop.write_json(out / "training.json", {name: curves[-1][name] for name in NAMES})
