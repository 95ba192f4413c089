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


class Place(NamedTuple):
    """What an experiment's module says of its figure or table."""

    number: str  # in the paper, "Figure 8"
    title: str  # "projection heads"
    kind: str  # one of KINDS
    order: int  # its position within the kind


def title(name: str) -> tuple[str, str]:
    """Return the number and the title of an experiment: ("Figure 8", "projection heads")."""
    place = _place(name)
    return place.number, place.title


def paper_order(name: str) -> tuple[int, int]:
    """Return the key that sorts experiments as the paper has them."""
    place = _place(name)
    return list(KINDS).index(place.kind), place.order


def category(name: str) -> str:
    """Return the heading of an experiment's kind in the report."""
    return KINDS[_place(name).kind]


def labels(name: str) -> dict[str, str]:
    """Return what the report's table says of an experiment."""
    place = _place(name)
    return {"in the paper": place.number, "shows": place.title}


def _place(name: str) -> Place:
    module = importlib.import_module(f"workflow.experiments.{name}")
    if not hasattr(module, "NUMBER"):
        return _place_from_title(name, module.TITLE)
    return Place(module.NUMBER, module.TITLE, module.KIND, module.ORDER)


def _place_from_title(name: str, title: str) -> Place:
    """TEMPORARY, until every module has NUMBER, TITLE, KIND and ORDER: derive them from TITLE."""
    number, words = title.split(": ", 1)
    prefix = name.rstrip("0123456789")
    prefixes = dict(zip(("fig", "table", "figb", "tableb"), KINDS, strict=False))
    if prefix not in prefixes:
        return Place(number, words, "beyond the paper", ORDER.index(name))
    return Place(number, words, prefixes[prefix], int(name.removeprefix(prefix)))
