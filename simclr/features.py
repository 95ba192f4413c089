"""Features of a frozen encoder: load the networks, extract h and z, score predictions."""

from pathlib import Path

import torch
from torch import Tensor, nn

from simclr import devices
from simclr.data import image_store
from simclr.models import weights
from simclr.models.heads import build_head
from simclr.models.resnet import build_encoder
from simclr.settings import Encoder, Head

ROWS = 512  # test images that are compared with all training images in one go


def load_networks(folder: Path, data: Path | None, device: torch.device) -> dict[str, nn.Module]:
    """Return the frozen networks in a training's folder: "h" the encoder, and "z" a head if any.

    data: folder of the prepared data set that it must have been trained on; None: any.
    """
    encoder = weights.load_network(folder / "encoder.safetensors", data, Encoder, build_encoder)
    networks = {"h": devices.place_module(encoder, device)}
    if (folder / "head.safetensors").exists():
        head = weights.load_network(
            folder / "head.safetensors", data, Head, build_head, encoder.feature_dim
        )
        networks["z"] = devices.place_module(head, device)
    return networks


@torch.no_grad()
def project(networks: dict[str, nn.Module], x: Tensor, reduced: bool = False) -> dict[str, Tensor]:
    """Features of views x [N, 3, S, S]: "h" [N, feature_dim] and, with a head, "z" [N, out_dim].

    float32; reduced: computed in bfloat16.
    """
    with torch.autocast(x.device.type, torch.bfloat16, enabled=reduced):
        h = networks["h"](x)
        found = {"h": h, "z": networks["z"](h)} if "z" in networks else {"h": h}
    return {name: one.float() for name, one in found.items()}


def features_of(networks: dict[str, nn.Module], images, reduced=False) -> dict[str, Tensor]:
    """Features, as `project`, of all images (as `loop.batches` has them), unchanged."""
    return predict(lambda x: project(networks, x, reduced), images)


def standardize(x: Tensor, reference: Tensor) -> Tensor:
    """Map features x [N, d] by the mean and the deviation of each column of `reference`."""
    deviation, mean = torch.std_mean(reference, 0, correction=0)
    constant = deviation <= 1e-6 * mean.abs()
    return (x - mean) / torch.where(constant, 1.0, deviation)


# Of images put through a network in one go; its maps are much larger.
PREDICT_FLOATS = {"cpu": 2**20, "cuda": 2**25}


@torch.no_grad()
def predict(function, images) -> dict[str, Tensor]:
    """Put images, as `batches` has them, through `function`, as floats in [0, 1], some at a time.

    What evaluation shows of them (views.centre_boxes). function returns a dict of tensors, which
    are put together along their first dimension.
    """
    images = image_store.as_store(images)
    some = max(1, PREDICT_FLOATS[images.device.type] // (3 * images.side**2))
    parts = torch.arange(len(images)).split(some)
    made = [
        function(x.contiguous(memory_format=torch.channels_last))
        for x in (
            images.eval_views(*one) for one in zip(parts, images.prefetch(parts), strict=True)
        )
    ]
    return {name: torch.cat([each[name] for each in made]) for name in made[0]}


def accuracy(scores: Tensor, labels: Tensor, among: int = 1) -> float:
    """Percent of rows of scores [N, classes] where the label [N] is `among` so many largest."""
    best = scores.topk(min(among, scores.shape[1]), 1).indices if among > 1 else scores.argmax(1)
    return 100 * (best.view(len(labels), -1) == labels[:, None]).sum().item() / len(labels)
