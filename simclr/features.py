"""Features of a frozen encoder: load the networks, extract h and z, score predictions."""

from pathlib import Path

import torch
from torch import Tensor, nn

from simclr import devices
from simclr.config import ConfigError
from simclr.data import image_store
from simclr.models import weights
from simclr.models.heads import build_head
from simclr.models.resnet import build_encoder
from simclr.settings.training import Encoder, Head

ROWS = 512  # test images that are compared with all training images in one go
PREDICT_FLOATS = {"cpu": 2**20, "cuda": 2**25}  # of images in one batch; feature maps are larger


def load_networks(folder: Path, data: Path | None, device: torch.device) -> dict[str, nn.Module]:
    """Return a training's frozen networks: the encoder "h" and, if there is one, the head "z".

    folder: of the training, with its safetensors files.
    data: folder of the prepared data set that they must have been trained on; None: any. Raises
    DataError if it was another one.
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

    They are float32; with `reduced` they are computed in bfloat16.
    """
    with torch.autocast(x.device.type, torch.bfloat16, enabled=reduced):
        h = networks["h"](x)
        features = {"h": h}
        if "z" in networks:
            features["z"] = networks["z"](h)
    return {name: x.float() for name, x in features.items()}


def features_of(networks: dict[str, nn.Module], images, reduced=False) -> dict[str, Tensor]:
    """Features, as from `project`, of all images (as `predict` takes them) in their plain form."""
    return predict(lambda x: project(networks, x, reduced), images)


def standardize(x: Tensor, reference: Tensor) -> Tensor:
    """Standardize features x [N, d] by the mean and deviation of each column of `reference`."""
    deviation, mean = torch.std_mean(reference, 0, correction=0)
    constant = deviation <= 1e-6 * mean.abs()
    return (x - mean) / torch.where(constant, 1.0, deviation)


@torch.no_grad()
def predict(function, images) -> dict[str, Tensor]:
    """Apply `function` to all images, a batch at a time, and concatenate what it returns.

    images: an ImageStore, or uint8 [N, 3, S, S] on the device; function: maps float views in [0, 1]
    [B, 3, S, S], with the evaluation crop, to a dict of tensors [B, ...].
    """
    images = image_store.as_store(images)
    batch_size = max(1, PREDICT_FLOATS[images.device.type] // (3 * images.side**2))
    indices = torch.arange(len(images)).split(batch_size)
    outputs = []
    for index, batch in zip(indices, images.prefetch(indices), strict=True):
        views = images.eval_views(index, batch)
        outputs.append(function(views.contiguous(memory_format=torch.channels_last)))
    return {name: torch.cat([output[name] for output in outputs]) for name in outputs[0]}


def accuracy(scores: Tensor, labels: Tensor, k: int = 1) -> float:
    """Percent of rows of scores [N, classes] whose label [N] is among the k largest.

    Raises ConfigError for scores that are not finite: they would be counted as some class.
    """
    if not torch.isfinite(scores).all():
        raise ConfigError("a classifier's scores are not finite: lower its learning rate.")
    best = scores.topk(min(k, scores.shape[1]), 1).indices if k > 1 else scores.argmax(1)
    return 100 * (best.view(len(labels), -1) == labels[:, None]).sum().item() / len(labels)
