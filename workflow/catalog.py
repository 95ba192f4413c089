"""The paper's experiments: their names, what the paper calls them, and families of them.

The modules in workflow/experiments/ are the experiments. Names are read from the files, so that
listing them imports nothing.
"""

import importlib
from pathlib import Path
from typing import NamedTuple

# KIND of an experiment's module -> its heading, in the order of the pages.
KINDS = {
    "figure": "Figures",
    "table": "Tables",
    "appendix figure": "Figures of the appendix",
    "appendix table": "Tables of the appendix",
    "beyond the paper": "Beyond the paper",
}

# Targets for several experiments at once: `snakemake augmentation`; `core` is all of these.
FAMILIES = {
    "augmentation": ("fig6", "table1", "fig5"),
    "head": ("table5", "fig8"),
    "scaling": ("fig7", "fig9"),
}
FAMILIES["core"] = tuple(name for family in list(FAMILIES.values()) for name in family)


def names() -> list[str]:
    """Return the names of all experiments, in alphabetical order."""
    files = (Path(__file__).parent / "experiments").glob("*.py")
    return sorted(path.stem for path in files if path.stem != "__init__")


def module(name: str):
    """Return the module of an experiment."""
    return importlib.import_module(f"workflow.experiments.{name}")


class Entry(NamedTuple):
    """What an experiment's module says of its figure or table."""

    name: str  # of the experiment
    number: str  # in the paper, "Figure 8"
    title: str  # "projection heads"


def entry(name: str) -> Entry:
    """Return the entry of an experiment."""
    return Entry(name, module(name).NUMBER, module(name).TITLE)


def paper_order(name: str) -> tuple[int, int, str]:
    """Return the sort key by which a reader of the paper finds an experiment."""
    return list(KINDS).index(module(name).KIND), module(name).ORDER, name


def category(name: str) -> str:
    """Return the heading of an experiment's kind, its group in the report."""
    return KINDS[module(name).KIND]


def labels(name: str) -> dict[str, str]:
    """Return what the report's table says of an experiment."""
    return {"in the paper": entry(name).number, "shows": entry(name).title}
