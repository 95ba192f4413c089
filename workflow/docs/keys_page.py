"""Write docs/keys.md: the modules that the key of each stage depends on.

python -m workflow.docs.keys_page     # a test compares the page with the code
"""

from simclr.files import ROOT, write_atomic
from simclr.registry import DECLARED
from simclr.sources import SOURCES
from simclr.store import keys
from workflow import catalog
from workflow.stages import FIGURES

PAGE = ROOT / "docs" / "keys.md"
INTRODUCTION = """\
# What a key depends on

A key is the hash of the settings, the inputs' keys, library versions and *code*: the syntax
trees of the modules marked here, without comments and docstrings. An edit
of a module gives new keys to the stages in its row, and to what reads their results; to no other.
This page is written by `python -m workflow.docs.keys_page`.

"""


def page() -> str:
    """Return the page, as the code has it now."""
    closures = {stage.name: keys.closure((stage.module,)) for stage in DECLARED}
    modules = sorted(_without_packages(set().union(*closures.values())))
    rows = ["| module | " + " | ".join(closures) + " |"]
    rows.append("| --- |" + " :-: |" * len(closures))
    for module in modules:
        marks = ["x" if module in closure else "" for closure in closures.values()]
        rows.append(f"| `{module.removeprefix('simclr.')}` | {' | '.join(marks)} |")
    text = [INTRODUCTION, "All are modules of `simclr`.\n\n", "\n".join(rows), "\n\n"]
    text.append("## Data sources\n\nA prepared set depends on its own source as well:\n\n")
    prepared = closures["prepare"]
    for source in SOURCES:
        modules = keys.closure((f"simclr.data.sources.{source}",))
        text.append(f"* `{source}`: {_listed(modules - prepared, 'simclr.')}\n")
    figure = keys.closure((FIGURES.module,))
    text.append(
        f"\n## Figures\n\nA figure depends on {_listed(figure)}, and on its experiment:\n\n"
    )
    for experiment in catalog.names():
        modules = keys.closure((FIGURES.module, f"workflow.experiments.{experiment}"))
        text.append(f"* `{experiment}`: {_listed(modules - figure)}\n")
    return "".join(text)


def _listed(modules, prefix: str = "") -> str:
    """Name modules in a line, without a prefix that all of them have."""
    names = sorted(_without_packages(modules))
    return ", ".join(f"`{name.removeprefix(prefix)}`" for name in names)


def _without_packages(modules) -> set[str]:
    """Leave out packages within packages: they hold a docstring only."""
    return {module for module in modules if "." not in module or not keys.is_package(module)}


if __name__ == "__main__":
    write_atomic(PAGE, page())
