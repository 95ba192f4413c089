"""Stage `neighbours`: the training images that are nearest to some test images, by h and by z.

Writes metrics.json: neighbours_h and neighbours_z, in percent how many of the nearest training
images of all test images have their class; and neighbours.csv (kind, query, rank, label, pixels;
rank 0 is the test image itself) of a few.
"""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from simclr import devices, files
from simclr.data import image_store, packed, pictures
from simclr.features import ROWS, features_of, load_networks


def run(settings, inputs, out: Path, checkpoint: Path, report) -> None:
    """Search with inputs["encoder"] in inputs["data"]; settings: settings.Neighbours."""
    data = packed.load(inputs["data"])
    device = devices.find_device(settings.device)
    networks = load_networks(inputs["encoder"], inputs["data"], device)
    images = {split: image_store.open_split(data, split, device) for split in ("train", "test")}
    train, test = (features_of(networks, one) for one in images.values())
    first = [np.flatnonzero(data.test_labels == label)[0] for label in range(len(data.classes))]
    queries = first[: settings.queries]
    metrics, rows = {}, []
    for kind in train:
        found = nearest(train[kind], test[kind], settings.nearest).cpu().numpy()  # [M, nearest]
        same = data.train_labels[found] == data.test_labels[:, None]
        metrics[f"neighbours_{kind}"] = 100 * float(same.mean())
        for place, query in enumerate(queries):
            label, picture = data.test_labels[query], images["test"].plain(query)
            rows.append((kind, place, 0, int(label), picture))
            for rank, index in enumerate(found[query]):
                label, picture = data.train_labels[index], images["train"].plain(index)
                rows.append((kind, place, rank + 1, int(label), picture))
    pictures.write(out / "neighbours.csv", ("kind", "query", "rank", "label", "pixels"), rows)
    files.write_metrics(out / "metrics.json", metrics)
    report(1.0, "neighbours")


def nearest(train: torch.Tensor, test: torch.Tensor, count: int) -> torch.Tensor:
    """Indices [M, count]: rows of train [N, d] of greatest cosine with each of test [M, d]."""
    train, test = F.normalize(train, dim=1), F.normalize(test, dim=1)
    return torch.cat([(some @ train.T).topk(count, dim=1).indices for some in test.split(ROWS)])
