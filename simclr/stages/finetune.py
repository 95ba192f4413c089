"""Stage `finetune`: train all weights with a share of the labels (paper B.5; Tables 7, B.2, B.4).

Starts from inputs["encoder"], or from new weights if there is none (the supervised baseline). The
encoder may come from other data. The share is the same number of images of each class, drawn by the
seed, or a list of names, such as the authors' lists of 1 and 10 % of ImageNet. The rest is as in
supervised training: one view an image, and its schedule. Writes metrics.json (finetune_top1 and
finetune_top5 on the test images, percent; train_top1; images) and curves.csv.
"""

from pathlib import Path

import torch

from simclr import devices, files
from simclr.data import image_store, label_list, packed
from simclr.data.label_share import class_balanced_share
from simclr.models import heads, weights
from simclr.models.resnet import build_encoder
from simclr.settings.training import Encoder
from simclr.training import order, setup, supervised


def run(settings, inputs, out: Path, checkpoint: Path, report) -> None:
    """Train on some images of inputs["data"]; settings: settings.FineTune. Raises ConfigError."""
    data = packed.load(inputs["data"])
    if settings.subset:
        rows = torch.from_numpy(label_list.listed_rows(settings, inputs["data"]))
    else:
        labels = torch.from_numpy(data.train_labels.copy())
        rows = class_balanced_share(labels, settings.labels, settings.seed)
    order.steps_per_epoch(len(rows), settings.batch_size)
    device = devices.find_device(settings.device)
    initial = setup.initial_generator(settings)
    if "encoder" in inputs:
        path = inputs["encoder"] / "encoder.safetensors"
        encoder = weights.load_network(path, None, Encoder, build_encoder).requires_grad_(True)
    else:
        encoder = build_encoder(settings.encoder, initial)
    encoder = devices.place_module(encoder, device)
    encoder.recompute = settings.recompute
    classifier = heads.build_classifier(encoder.feature_dim, data.classes, initial).to(device)
    images = image_store.open_split(data, "train", device, rows)
    labels = devices.to_device(data.train_labels[rows.numpy()], device)
    curves = supervised.train_classifier(
        settings, images, labels, encoder, classifier, checkpoint=checkpoint, report=report
    )
    files.write_curves(out / "curves.csv", curves)
    tested = supervised.test_classifier(encoder, classifier, data, device)
    metrics = {f"finetune_{name}": value for name, value in tested.items()}
    metrics |= {"train_top1": curves[-1]["train_top1"], "images": len(rows)}
    files.write_metrics(out / "metrics.json", metrics)
