"""The pages paper_figures/figures/<experiment>.html: a figure large, at all published scales.

<experiment>.html           the figure at each scale beside the paper's, its claims, its runs
<experiment>.<scale>.png    its thumbnail, for the page over all scales
"""

from pathlib import Path

from simclr.files import read_text
from workflow import catalog
from workflow.pages import figure_files, ledger, thumbnails
from workflow.pages.rendering import around, write_page
from workflow.pages.runs import RUNS

FOLDER = "figures"


def published(root: Path, scales: list[str]) -> list[dict]:
    """Return each published figure, in the paper's order, with what each scale has of it."""
    names = {scale: figure_files.names_in(root / scale) for scale in scales}
    return [
        {
            "figure": catalog.entry(name),
            "at": {scale: _at(root, scale, name) for scale in scales if name in names[scale]},
        }
        for name in sorted(set().union(*names.values()), key=catalog.paper_order)
    ]


def _at(root: Path, scale: str, name: str) -> dict:
    folder = root / scale
    runs = {(row["setting"], row["seed"]) for row in ledger.read_rows(folder / f"{name}.csv")}
    size = figure_files.image_size(folder / f"{name}.svg")
    return {
        "image": figure_files.Image(f"../{scale}/{name}.svg", size),
        "caption": read_text(folder / f"{name}.caption.md").strip(),
        "runs": len(runs),
        "settings": len({setting for setting, _ in runs}),
        "has_runs": (folder / RUNS).is_file(),
        "has_curves": (folder / f"{name}.curves.svg").is_file(),
    }


def write_thumbnails(root: Path, figures: list[dict]) -> int:
    """Write the thumbnails, and name them in `figures`; return how many changed."""
    changed = 0
    for entry in figures:
        name = entry["figure"].name
        for scale, at in entry["at"].items():
            address = f"{FOLDER}/{name}.{scale}.png"
            changed += thumbnails.write(root / scale / f"{name}.png", root / address)
            at["thumbnail"] = figure_files.image(root, address)
    return changed


def write(root: Path, figures: list[dict], claims: list[dict], common: dict) -> int:
    """Write the pages, and delete those of figures that no scale has; return how many changed.

    figures: as `published` returns them; claims: with their verdicts; common: for every page.
    """
    pages = [(f"{entry['figure'].name}.html", entry["figure"].number) for entry in figures]
    changed = 0
    for number, entry in enumerate(figures):
        name = entry["figure"].name
        tested = catalog.module(name).CLAIMS
        changed += write_page(
            root / FOLDER / f"{name}.html",
            "figure.html.j2",
            **common,
            **entry,
            claims=[claim for claim in claims if claim["id"] in tested],
            **around(pages, number),
        )
    _remove_others(root / FOLDER, figures)
    return changed


def _remove_others(folder: Path, figures: list[dict]) -> None:
    """Delete pages and thumbnails of what is no longer published, and nothing else."""
    kept = {entry["figure"].name: entry["at"] for entry in figures}
    for name in catalog.names():
        if name not in kept:
            (folder / f"{name}.html").unlink(missing_ok=True)
        for path in folder.glob(f"{name}.*.png"):
            scale = path.name.removeprefix(f"{name}.").removesuffix(".png")
            if scale not in kept.get(name, ()):
                path.unlink()
