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
        more = sorted(_without_packages(modules - prepared))
        names = ", ".join(f"`{module.removeprefix('simclr.')}`" for module in more)
        text.append(f"* `{source}`: {names}\n")
    figure = sorted(_without_packages(keys.closure((FIGURES.module,))))
    names = ", ".join(f"`{module}`" for module in figure)
    text.append(f"\n## Figures\n\nA figure depends on {names}, and on its experiment:\n\n")
    for experiment in catalog.names():
        more = keys.closure((FIGURES.module, f"workflow.experiments.{experiment}"))
        names = ", ".join(f"`{m}`" for m in sorted(_without_packages(more) - set(figure)))
        text.append(f"* `{experiment}`: {names}\n")
    return "".join(text)


def _without_packages(modules) -> set[str]:
    """Leave out packages: they hold a docstring only, except `simclr` itself."""
    return {module for module in modules if module == "simclr" or not keys.is_package(module)}


if __name__ == "__main__":
    write_atomic(PAGE, page())
