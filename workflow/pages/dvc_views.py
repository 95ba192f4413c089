"""What `dvc metrics` and `dvc plots` show of a scale, from the published figures' CSV files.

metrics.json   experiment -> setting -> metric: mean over seeds
accuracy.csv   a row per setting: its headline accuracy (template bar_horizontal)
curves.csv     a row per setting and epoch: the loss (template workflow/pages/curves.json)
"""

import csv
import io
import json
from collections import Counter
from pathlib import Path

from simclr.files import write_atomic
from workflow.pages import ledger, page

FILES = ("metrics.json", "accuracy.csv", "curves.csv")
HEADLINE = ("finetune_top1", "transfer_top1", "supervised_top1", "linear_h")  # the first it has


def write_summary(folder: Path) -> int:
    """Write the three files for the figures in `folder`; returns how many changed."""
    metrics, accuracy, curves = {"claims": _verdicts(folder)}, [], []
    for name in page.shown_in(folder):
        for setting, found in _means(folder, name).items():
            headline = next((metric for metric in HEADLINE if metric in found), None)
            if headline:
                value = round(float(found[headline]), 4)
                metrics.setdefault(name, {})[setting] = value
                accuracy.append((f"{name} {setting}", value, headline))
        for row in ledger.read(folder / f"{name}.curves.csv"):
            curves.append((name, row["setting"], row["epoch"], row["loss"]))
    texts = (
        json.dumps(metrics, indent=1) + "\n",
        _csv(("run", "accuracy", "metric"), accuracy),
        _csv(("experiment", "setting", "epoch", "loss"), curves),
    )
    made = zip(FILES, texts, strict=True)
    return sum(write_atomic(folder / name, text) for name, text in made)


def _verdicts(folder: Path) -> dict[str, int]:
    """How many contrasts have which verdict."""
    return dict(Counter(row["verdict"] for row in ledger.read(folder / "claims.csv")))


def _means(folder: Path, name: str) -> dict[str, dict[str, str]]:
    """Setting -> metric -> mean over seeds, as published."""
    found = {}
    for row in ledger.read(folder / f"{name}.summary.csv"):
        found.setdefault(row["setting"], {})[row["metric"]] = row["mean"]
    return found


def _csv(header: tuple, rows: list[tuple]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()
