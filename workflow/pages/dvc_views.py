"""What `dvc metrics` and `dvc plots` show of a scale, from the published figures' CSV files.

metrics.json   experiment -> setting -> accuracy; how many contrasts have which verdict; hours;
               how many results are there
accuracy.csv   a row per setting: its headline accuracy (template bar_horizontal)
curves.csv     a row per setting and epoch: the loss (template workflow/pages/curves.json)
"""

import json
from collections import Counter
from pathlib import Path

from simclr import registry
from simclr.files import csv_text, write_atomic
from workflow.pages import extent, figure_files
from workflow.pages.ledger import read_rows

FILES = ("metrics.json", "accuracy.csv", "curves.csv")
# A setting's headline accuracy is the first of these that it has.
HEADLINES = registry.headlines()


def write_summary(folder: Path, plan, published: dict[str, dict], results: dict[str, int]) -> int:
    """Write the three files for the figures in `folder`; return how many changed.

    plan: planning.plan.Plan; published: key -> line of data/published/<scale>.jsonl; results:
    extent.counts of them.
    """
    verdicts = Counter(row["verdict"] for row in read_rows(folder / "claims.csv"))
    metrics = {
        "claims": dict(verdicts),
        "hours": extent.hours(plan, published.values()),
        "results": results,
    }
    accuracy, curves = [], []
    for name in figure_files.names_in(folder):
        for setting, means in _means(folder, name).items():
            headline = next((metric for metric in HEADLINES if metric in means), None)
            if headline:
                value = round(float(means[headline]), 4)
                metrics.setdefault(name, {})[setting] = value
                accuracy.append((f"{name} {setting}", value, headline))
        for row in read_rows(folder / f"{name}.curves.csv"):
            curves.append((name, row["setting"], row["epoch"], row["loss"]))
    texts = (
        json.dumps(metrics, indent=1) + "\n",
        csv_text(("run", "accuracy", "metric"), accuracy),
        csv_text(("experiment", "setting", "epoch", "loss"), curves),
    )
    return sum(write_atomic(folder / name, text) for name, text in zip(FILES, texts, strict=True))


def _means(folder: Path, name: str) -> dict[str, dict[str, str]]:
    """Return {setting: {metric: mean over seeds}}, as published."""
    means = {}
    for row in read_rows(folder / f"{name}.summary.csv"):
        means.setdefault(row["setting"], {})[row["metric"]] = row["mean"]
    return means
