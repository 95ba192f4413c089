"""The experiments there are: their order, their titles, and the families that can be asked for."""

import importlib

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


def paper_order(name: str) -> tuple:
    """Figures, tables, those of the appendix, others: as a reader of the paper looks for them."""
    kind = name.rstrip("0123456789")
    known = ("fig", "table", "figb", "tableb")
    if kind not in known:
        return len(known), ORDER.index(name)
    return known.index(kind), int(name.removeprefix(kind))


def title(name: str) -> list[str]:
    """["Figure 8", "projection heads"]"""
    return importlib.import_module(f"workflow.experiments.{name}").TITLE.split(": ", 1)


KINDS = {
    "fig": "Figures",
    "table": "Tables",
    "figb": "Figures of the appendix",
    "tableb": "Tables of the appendix",
}


def category(name: str) -> str:
    """The group of an experiment in the report."""
    return KINDS.get(name.rstrip("0123456789"), "Beyond the paper")


def labels(name: str) -> dict[str, str]:
    """What the report's table says of an experiment."""
    title = importlib.import_module(f"workflow.experiments.{name}").TITLE
    number, words = title.split(": ", 1)
    return {"in the paper": number, "shows": words}
