"""Write docs/benchmarks.md from the JSON files of the benchmarks; a test compares the two.

python -m benchmarks.views --json benchmarks/results/views.json
python -m benchmarks.pretrain --json benchmarks/results/pretrain.json
python -m benchmarks.report
"""

import json
from pathlib import Path

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "docs" / "benchmarks.md"
INTRODUCTION = """\
# Benchmarks

Ratios of medians: what is compared takes turns in one run, so that a busy machine slows all alike.
This page is written by `python -m benchmarks.report` from `benchmarks/results/*.json`.
"""


def page() -> str:
    """Return the page as the result files have it now."""
    results = {p.stem: json.loads(p.read_text()) for p in (HERE / "results").glob("*.json")}
    return "\n".join([INTRODUCTION, _views(results["views"]), _pretrain(results["pretrain"])])


def _views(found: dict) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    lines = [
        "## Making views: `python -m benchmarks.views`",
        "",
        f"Crop, flip and colour distortion of {found['views'] // 2:,} images of {found['side']} x "
        f"{found['side']} pixels, two views each. torchvision: PIL transforms in a DataLoader with "
        "two workers; Kornia: its batch augmentations, two threads; ours: two threads. "
        f"{found['processor']}, {found['cores']} cores; {versions}; n = {found['repetitions']}, "
        f"{found['date']}.",
        "",
        "| | views/s, median | least | most | ours is |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for name, rates in found["views_per_second"].items():
        ratio = f"{found['ratio'][name]:.1f}x" if name in found["ratio"] else ""
        numbers = (found["median"][name], min(rates), max(rates))
        cells = [name, *(f"{rate:,.0f}" for rate in numbers), ratio]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _pretrain(found: dict) -> str:
    lines = [
        "## The share of the networks in pre-training: `python -m benchmarks.pretrain`",
        "",
        "Steps per second of the whole of pre-training (order, views, networks, loss, summaries, "
        "LARS), and of the forward and backward pass of the networks alone on views made before; "
        "the share is the median of the ratios of two turns. "
        f"One thread of {found['processor']}; torch {found['torch']}; n = {found['repetitions']}, "
        f"{found['date']}.",
        "",
        "| | pre-training | networks alone | share |",
        "| --- | ---: | ---: | ---: |",
    ]
    for name, case in found["cases"].items():
        median = case["median"]
        lines.append(
            f"| {name} | {median['pretrain']:.1f} | {median['networks']:.1f} "
            f"| {case['share']:.2f} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page())
