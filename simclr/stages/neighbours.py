"""Stage `neighbours`: the training images that are nearest to some test images, by h and by z.

Writes metrics.json: neighbours_h and neighbours_z, the percentage of the nearest training images of
all test images that have the test image's class. Also neighbours.csv (kind, query, rank, label,
pixels; rank 0 is the test image itself), for a few test images.
"""

from pathlib import Path

import torch
import torch.nn.functional as F

from simclr import devices, files
from simclr.data import image_store, packed, pictures
from simclr.features import ROWS, features_of, load_networks

HEADER = ("kind", "query", "rank", "label", "pixels")


def run(settings, inputs, out: Path, checkpoint: Path, report) -> None:
    """Search with inputs["encoder"] in inputs["data"]; settings: settings.Neighbours."""
    data = packed.load(inputs["data"])
    device = devices.find_device(settings.device)
    networks = load_networks(inputs["encoder"], inputs["data"], device)
    train_images = image_store.open_split(data, "train", device)
    test_images = image_store.open_split(data, "test", device)
    train, test = features_of(networks, train_images), features_of(networks, test_images)
    metrics, rows = {}, []
    for kind in train:
        indices = nearest(train[kind], test[kind], settings.nearest).cpu().numpy()  # [M, nearest]
        same_class = data.train_labels[indices] == data.test_labels[:, None]
        metrics[f"neighbours_{kind}"] = 100 * float(same_class.mean())
        for number, query in enumerate(data.first_tests()[: settings.queries]):
            pixels = pictures.to_text(test_images.eval_image(query))
            rows.append((kind, number, 0, int(data.test_labels[query]), pixels))
            for rank, index in enumerate(indices[query], start=1):
                pixels = pictures.to_text(train_images.eval_image(index))
                rows.append((kind, number, rank, int(data.train_labels[index]), pixels))
    files.write_csv(out / "neighbours.csv", HEADER, rows)
    files.write_metrics(out / "metrics.json", metrics)
    report(1.0, "neighbours")


def nearest(train: torch.Tensor, test: torch.Tensor, count: int) -> torch.Tensor:
    """Return [M, count] rows of train [N, d] with the greatest cosine to each of test [M, d]."""
    train, test = F.normalize(train, dim=1), F.normalize(test, dim=1)
    return torch.cat([(rows @ train.T).topk(count, dim=1).indices for rows in test.split(ROWS)])
