"""The experiments: the order of execution, families of them, and where the paper has each."""

import importlib
from typing import NamedTuple

# In the order of execution: those that show something early come first.
ORDER = (
    *("fig4", "fig6", "table5", "fig8", "table1", "fig5", "fig7", "fig9"),
    "figb1",
    *(
        "table3",
        "table4",
        "table6",
        "table7",
        "table8",
        "figb2",
        "tableb3",
        "figb3",
        "figb4",
        "figb5",
    ),
    *("figb8", "variants", "ambiguities", "neighbours"),
)

# Targets for several at once: `snakemake augmentation`; `core` is all of these.
FAMILIES = {
    "augmentation": ("fig6", "table1", "fig5"),
    "head": ("table5", "fig8"),
    "scaling": ("fig7", "fig9"),
}
FAMILIES["core"] = tuple(name for family in list(FAMILIES.values()) for name in family)


# The kinds of figures and tables, as a reader of the paper looks for them, and their headings.
KINDS = {
    "figure": "Figures",
    "table": "Tables",
    "appendix figure": "Figures of the appendix",
    "appendix table": "Tables of the appendix",
    "beyond the paper": "Beyond the paper",
}


class Entry(NamedTuple):
    """What an experiment's module says of its figure or table."""

    name: str  # of the experiment
    number: str  # in the paper, "Figure 8"
    title: str  # "projection heads"
    kind: str  # one of KINDS
    order: int  # its position within the kind


def entry(name: str) -> Entry:
    """Return the entry of an experiment."""
    module = importlib.import_module(f"workflow.experiments.{name}")
    if not hasattr(module, "NUMBER"):
        return _entry_from_title(name, module.TITLE)
    return Entry(name, module.NUMBER, module.TITLE, module.KIND, module.ORDER)


def title(name: str) -> tuple[str, str]:
    """Return the number and the title of an experiment: ("Figure 8", "projection heads")."""
    return entry(name).number, entry(name).title


def paper_order(name: str) -> tuple[int, int]:
    """Return the key that sorts experiments as the paper has them."""
    return list(KINDS).index(entry(name).kind), entry(name).order


def category(name: str) -> str:
    """Return the heading of an experiment's kind in the report."""
    return KINDS[entry(name).kind]


def labels(name: str) -> dict[str, str]:
    """Return what the report's table says of an experiment."""
    return {"in the paper": entry(name).number, "shows": entry(name).title}


def _entry_from_title(name: str, title: str) -> Entry:
    """TEMPORARY, until every module has NUMBER, TITLE, KIND and ORDER: derive them from TITLE."""
    number, words = title.split(": ", 1)
    prefix = name.rstrip("0123456789")
    prefixes = dict(zip(("fig", "table", "figb", "tableb"), KINDS, strict=False))
    if prefix not in prefixes:
        return Entry(name, number, words, "beyond the paper", ORDER.index(name))
    return Entry(name, number, words, prefixes[prefix], int(name.removeprefix(prefix)))
