"""How `snakemake --report` groups and labels the figures."""

import importlib

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
