"""Made-up metrics in the shape of an experiment's runs, for tests of figures and verdicts."""

import importlib
from pathlib import Path

import numpy as np

from simclr.config import merge
from workflow import cost
from workflow.plan import load_scale

SCALES = ("tiny", "small", "small-original", "cifar10")


def rows(scale: str, experiment: str, seeds=(0, 1, 2), noise: float = 1.0) -> list[dict]:
    """One row per setting and seed, with every metric that its stage has; the same every time."""
    values = load_scale(scale)
    module = importlib.import_module(f"workflow.experiments.{experiment}")
    made = []
    for rank, one in enumerate(module.settings(values.grid(experiment)[0])):
        resolved = merge(values.base[one.stage], one.settings)
        for seed in seeds:
            draw = np.random.default_rng([rank, seed])
            row = {"setting": one.name, "seed": seed, **one.labels}
            if "parameters" in module.LABELS:
                row["parameters"] = cost.parameters(resolved["encoder"])
            level = 30 + 2.0 * (rank * 7 % 11)
            for metric, height in METRICS[one.stage].items():
                row[metric] = float(level * height + noise * draw.standard_normal())
            made.append(row)
    return made


METRICS = {
    "pretrain": {
        "linear_h": 1.0,
        "knn_h": 0.9,
        "linear_z": 0.7,
        "knn_z": 0.6,
        "contrastive_accuracy": 1.5,
        "contrastive_entropy": 0.05,
        "loss": 0.06,
    },
    "supervise": {"linear_h": 1.3, "knn_h": 1.2, "supervised_top1": 1.4, "loss": 0.02},
    "histograms": {
        "retrieval_plain_chi2": 2.5,
        "retrieval_distorted_chi2": 0.4,
        "retrieval_chance": 0.01,
    },
}
ROOT = Path(__file__).resolve().parent.parent


# The numbers that the paper reports, as rows of labels and metrics (floats), one per setting.


def paper_table1(module, paper) -> list[dict]:
    rows = module._theirs(paper)
    return [
        {"regime": r.regime, "augmentation": r.augmentation, module.METRICS[r.regime]: r.mean}
        for r in rows.itertuples()
    ]


def paper_fig8(module, paper) -> list[dict]:
    return [
        {"head": r.head, "dim": r.dim, "linear_h": r.mean}
        for r in module._theirs(paper).itertuples()
    ]


def paper_table5(module, paper) -> list[dict]:
    found = {}
    for metric, (_, name) in module.METRICS.items():
        for r in module._theirs(paper, name).itertuples():
            row = found.setdefault((r.l2_norm, r.temperature), {"l2_norm": r.l2_norm})
            row["temperature"] = int(1000 * r.temperature)  # an integer: a label, not a metric
            row[metric] = r.mean
    return list(found.values())


def paper_fig9(module, paper) -> list[dict]:
    rows = module._theirs(paper)
    rows = rows[rows["batch"] <= 4096]  # the claim is about 4096 against 256
    return [{"batch": r.batch, "epochs": r.epochs, "linear_h": r.mean} for r in rows.itertuples()]


def paper_fig7(module, paper) -> list[dict]:
    rows = module._theirs(paper)
    rows = rows[(rows["depth"] == 50) & (rows["epochs"] == "base")]  # supervised: ResNet-50 only
    return [
        {
            **{name: getattr(r, name) for name in ("regime", "epochs", "depth", "width")},
            "linear_h" if r.regime == "SimCLR" else "supervised_top1": r.mean,
        }
        for r in rows.itertuples()
    ]
