"""Made-up metrics in the shape of an experiment's runs, for tests of figures and verdicts."""

from pathlib import Path

import numpy as np

from simclr.config import build, merge
from simclr.registry import STAGES
from workflow import catalog
from workflow.planning import networks
from workflow.planning.scale import load_scale

SCALES = ("tiny", "small", "small-original", "cifar10")
WHOLE = {"planned": 8, "there": 8}  # results of a scale that is not in part


def rows(scale: str, experiment: str, seeds=(0, 1, 2), noise: float = 1.0) -> list[dict]:
    """One row per setting and seed, with every metric that its stage has; the same every time."""
    values = load_scale(scale)
    module = catalog.module(experiment)
    table = []
    for rank, run in enumerate(module.runs(values.grid(experiment)[0])):
        labels = {"setting": run.name, **run.labels}
        if computed := [name for name in module.LABELS if name not in run.labels]:
            stage, own = (run.stage, run.settings) if STAGES[run.stage].trains else ("pretrain", {})
            training = build(STAGES[stage].settings, merge(values.base.get(stage, {}), own))
            labels |= {name: networks.LABELS[name](training) for name in computed}
        level = 30 + 2.0 * (rank * 7 % 11)
        online = {"online_h": 0.95} if run.settings.get("online") else {}
        for seed in seeds:
            draw = np.random.default_rng([rank, seed])
            metrics = {
                metric: float(level * height + noise * draw.standard_normal())
                for metric, height in (METRICS[run.stage] | online).items()
            }
            table.append({"seed": seed, **labels, **metrics})
    return table


def whole_and_in_part(scale: str, experiment: str) -> dict[str, list[dict]]:
    """The rows of `rows`, and these with the metrics of only the first two."""
    whole = rows(scale, experiment)
    labels = {"setting", "seed", *catalog.module(experiment).LABELS}
    others = [{name: row[name] for name in labels} for row in whole[2:]]
    return {"whole": whole, "part": [*whole[:2], *others]}


METRICS = {
    "pretrain": {
        "linear_h": 1.0,
        "linear_top5_h": 1.8,
        "knn_h": 0.9,
        "linear_z": 0.7,
        "knn_z": 0.6,
        "contrastive_accuracy": 1.5,
        "contrastive_entropy": 0.05,
        "loss": 0.06,
    },
    "evaluate": {"linear_h": 1.0, "knn_h": 0.9},
    "supervise": {"linear_h": 1.3, "knn_h": 1.2, "supervised_top1": 1.4, "loss": 0.02},
    "finetune": {"finetune_top1": 1.2, "finetune_top5": 1.3, "train_top1": 1.4, "images": 5.0},
    "transfer": {"transfer_top1": 1.1, "transfer_mean_class": 1.05, "transfer_l2": 0.01},
    "probe": {f"probe_{t}_{k}": 1.5 for t in ("gray", "rotation", "noise", "sobel") for k in "hz"},
    "examples": {"shift_crop": 0.2, "crops_iou": 0.5, "crops_nested": 0.6, "crops_apart": 0.1},
    "neighbours": {"neighbours_h": 0.9, "neighbours_z": 0.8},
    "maps": {
        "silhouette_h": 0.01,
        "silhouette_z": 0.005,
        "spectrum_rank": 0.5,
        "spectrum_rank_random": 1.0,
    },
    "histograms": {
        "retrieval_plain_chi2": 2.5,
        "retrieval_distorted_chi2": 0.4,
        "retrieval_chance": 0.01,
    },
}
ROOT = Path(__file__).resolve().parent.parent


def context(scale: str) -> dict:
    """What a figure says of its scale."""
    return {"scale": scale, "title": "made-up numbers <&> for a test", "seeds": 3}
