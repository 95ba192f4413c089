"""Stage `maps`: what is in a head's matrix, and in h and z? (paper B.4, Figs. B.3, B.4)

* The spectrum of a linear head's matrix W [out, in]: squared singular values and, if it is square,
  squared real parts of its eigenvalues, as the paper plots them. Its effective rank is
  (sum s^2)^2 / sum s^4, the number of equal values that would be as spread, in percent of the
  smaller side; beside it that of a random normal matrix of the same shape.
* A map of some test images by t-SNE of h and of z, and how well classes are separated in h and z
  themselves: the mean silhouette of l2-normalized features (1: far apart, 0: mixed).

Writes metrics.json, spectrum.csv (with a linear head) and points.csv.
"""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.manifold import TSNE
from sklearn.metrics import silhouette_score

from simclr import devices, files, rng
from simclr.data import image_store, packed
from simclr.features import features_of, load_networks


def run(settings, inputs, out: Path, checkpoint: Path, report) -> None:
    """Analyze inputs["encoder"] on inputs["data"]; settings: settings.Maps."""
    data = packed.load(inputs["data"])
    device = devices.find_device(settings.device)
    networks = load_networks(inputs["encoder"], inputs["data"], device)
    metrics = {}
    head = networks.get("z")
    if head is not None and head.hidden is None:
        matrix = head.out.weight.detach().cpu().double()
        random = torch.randn(matrix.shape, generator=rng.generator(settings.seed, "matrix"))
        metrics["spectrum_rank"] = effective_rank(matrix)
        metrics["spectrum_rank_random"] = effective_rank(random.double())
        files.write_csv(out / "spectrum.csv", ("kind", "rank", "value"), spectrum_rows(matrix))
    chosen = choose_images(data.test_labels, settings)
    labels = data.test_labels[chosen]
    images = image_store.open_split(data, "test", device, torch.from_numpy(chosen))
    rows = []
    for name, x in features_of(networks, images).items():
        x = F.normalize(x, dim=1).cpu().numpy()
        metrics[f"silhouette_{name}"] = float(silhouette_score(x.astype(np.float64), labels))
        report(0.3, f"t-SNE of {name}")
        for label, point in zip(labels, embed(x, settings), strict=True):
            rows.append((name, int(label), *(f"{value:.4g}" for value in point)))
    files.write_csv(out / "points.csv", ("kind", "label", "x", "y"), rows)
    files.write_metrics(out / "metrics.json", metrics)


def embed(x: np.ndarray, settings) -> np.ndarray:
    """Return the points [N, 2] of features x [N, d] on a map, by t-SNE."""
    perplexity = min(settings.perplexity, (len(x) - 1) / 3)
    start = "pca" if x.shape[1] > 1 else "random"
    tsne = TSNE(perplexity=perplexity, init=start, random_state=settings.seed, n_jobs=1)
    return tsne.fit_transform(x)


def effective_rank(matrix: torch.Tensor) -> float:
    """Return (sum s^2)^2 / sum s^4 of the singular values s, in percent of their number."""
    squares = torch.linalg.svdvals(matrix) ** 2
    return (100 * squares.sum() ** 2 / (squares**2).sum() / len(squares)).item()


def spectrum_rows(matrix: torch.Tensor) -> list[tuple[str, int, str]]:
    """Return (kind, rank, value) from large to small, relative to the largest of each kind."""
    squares = {"singular": torch.linalg.svdvals(matrix) ** 2}
    if matrix.shape[0] == matrix.shape[1]:
        squares["eigen"] = torch.linalg.eigvals(matrix).real ** 2
    rows = []
    for kind, values in squares.items():
        values = values.sort(descending=True).values
        for rank, value in enumerate((values / values[0]).tolist()):
            rows.append((kind, rank + 1, f"{value:.6g}"))
    return rows


def choose_images(labels: np.ndarray, settings) -> np.ndarray:
    """Draw at most settings.images images of at most settings.classes classes, some of each.

    labels: int64 [N]. Returns ascending indices.
    """
    generator = rng.generator(settings.seed, "map")
    count = int(labels.max()) + 1
    classes = torch.randperm(count, generator=generator)[: settings.classes].numpy()
    members = np.flatnonzero(np.isin(labels, classes))
    drawn = members[torch.randperm(len(members), generator=generator).numpy()]
    _, first = np.unique(labels[drawn], return_index=True)  # of each class
    rest = np.delete(drawn, first)[: settings.images - len(first)]
    return np.sort(np.concatenate([drawn[first], rest]))
