"""Stage `finetune`: all weights trained with a share of the labels (paper B.5; Tables 7, B.2, B.4).

Starts from inputs["encoder"], or from new weights where there is none (the supervised baseline).
The share is the same number of images of each class, drawn by the seed, or a list of names, such as
the authors' lists of 1 and 10 % of ImageNet. One view an image, SGD, and
the schedule of supervised training. Writes metrics.json (finetune_top1 and finetune_top5 on the
test images, percent; train_top1; images) and curves.csv. The encoder may come from other data.
"""

from pathlib import Path

import torch

from simclr import classifier, loop, packed, pixels, subset, weights
from simclr.encoder import build_encoder
from simclr.settings import Encoder


def run(settings, inputs, out: Path, checkpoint: Path, report) -> None:
    """Train on some images of inputs["data"]; settings: settings.FineTune. Raises ConfigError."""
    data = packed.load(inputs["data"])
    if settings.subset:
        chosen = subset.rows(settings, inputs["data"])
    else:
        labels = torch.from_numpy(data.train_labels.copy())
        chosen = share_of(labels, settings.labels, settings.seed)
    loop.steps_per_epoch(len(chosen), settings.batch_size)
    device = loop.find_device(settings.device)
    initial = loop.generator(settings.seed, "weights")
    if "encoder" in inputs:
        path = inputs["encoder"] / "encoder.safetensors"
        encoder = weights.load_network(path, None, Encoder, build_encoder).requires_grad_(True)
    else:
        encoder = build_encoder(settings.encoder, initial)
    encoder = loop.place(encoder, device)
    encoder.recompute = settings.recompute
    linear = classifier.build(encoder.feature_dim, data.classes, initial).to(device)
    images = pixels.of(data, "train", device, chosen)
    labels = loop.to_device(data.train_labels[chosen.numpy()], device)
    curves = classifier.train(settings, images, labels, encoder, linear, checkpoint, report)
    loop.write_curves(out / "curves.csv", curves)
    found = {f"finetune_{k}": v for k, v in classifier.test(encoder, linear, data, device).items()}
    found |= {"train_top1": curves[-1]["train_top1"], "images": len(chosen)}
    loop.write_json(out / "metrics.json", found)


def share_of(labels: torch.Tensor, share: float, seed: int) -> torch.Tensor:
    """Indices, ascending, of a share of each class's images, one at least; labels int64 [N]."""
    order = torch.randperm(len(labels), generator=loop.generator(seed, "labels"))
    chosen = []
    for label in labels.unique():
        members = order[labels[order] == label]
        chosen.append(members[: max(1, round(share * len(members)))])
    return torch.cat(chosen).sort().values
