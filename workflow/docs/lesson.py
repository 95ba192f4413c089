"""Run docs/lesson.ipynb and write it again, with its outputs.

python -m workflow.docs.lesson     # trains for a minute; needs the development libraries

The notebook is its own source: edit its cells in any program for notebooks, then run this. Two runs
on one kind of machine write the same bytes, because what differs between them is left out: times
and versions. tests/test_lesson.py holds what the text promises.
"""

import os
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from simclr.files import ROOT, write_atomic

NOTEBOOK = ROOT / "docs" / "lesson.ipynb"
SECONDS = 1200  # for one cell, or for the kernel to start, on a busy machine
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def read(path: Path = NOTEBOOK) -> nbformat.NotebookNode:
    """Return the notebook as it is, with the outputs of its last run."""
    return nbformat.read(path, as_version=4)


def execute(notebook: nbformat.NotebookNode, folder: Path) -> None:
    """Run all cells in a new kernel that works in `folder`, and keep their outputs.

    The kernel imports this copy of the project. Raises CellExecutionError at the first cell that
    fails.
    """
    notebook.metadata = {"kernelspec": KERNEL}
    client = NotebookClient(
        notebook,
        kernel_name=KERNEL["name"],
        timeout=SECONDS,
        startup_timeout=SECONDS,
        record_timing=False,
        coalesce_streams=True,  # else a text is cut where the kernel happened to send it
        resources={"metadata": {"path": str(folder)}},
    )
    client.execute(env={**os.environ, "PYTHONPATH": str(ROOT)})
    notebook.metadata = {"kernelspec": KERNEL}  # without the version of Python
    for cell in notebook.cells:
        cell.metadata = {}  # what a program for notebooks left there


def main() -> None:
    """Run the lesson and replace it, once all its cells have run."""
    notebook = read()
    execute(notebook, NOTEBOOK.parent)
    write_atomic(NOTEBOOK, nbformat.writes(notebook) + "\n")


if __name__ == "__main__":
    main()
