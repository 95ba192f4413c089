"""Which way each folder may look, read from all imports; and how files are cut."""

import ast
import functools
import re
from pathlib import Path

import pytest

from tests.project import ROOT

# From the bottom up. A room (a folder, or a file beside the folders) may import from its own files
# and from the rooms of earlier lines, not from those of later lines or of its own.
ROOMS = """
simclr.code                                             what is imported is what is hashed
simclr.config simclr.sources simclr.resnet_shapes simclr.splits   how settings are declared; facts
simclr.files simclr.devices simclr.rng simclr.determinism simclr.distributed   what all rest on
simclr.settings simclr.needs                            all settings of all stages; least numbers
simclr.registry                                         every stage, declared once
simclr                                                  at any import: the cap on instruction sets
simclr.augment simclr.models simclr.losses              the paper's Section 2
simclr.data                                             prepared sets, and batches of them
simclr.data.sources                                     where images come from
simclr.features simclr.logistic                         what an encoder gives for a set; a fit
simclr.training                                         the loop and all that trains
simclr.stages                                           one module for each kind of result
simclr.store                                            results under their keys
workflow workflow.catalog workflow.stages workflow.grid workflow.paper   experiments, stages, grids
workflow.figures                                        how any figure is drawn
workflow.experiments                                    the paper's figures and tables
workflow.planning                                       a scale as results with keys
workflow.pretrained                                     planned encoders, for use
workflow.pages                                          what is published as HTML
workflow.running                                        the stages of a plan, here or on a cluster
workflow.publishing                                     results in and out, figures, the record
workflow.docs                                           pages of docs that commands write
workflow.commands                                       what each command does
workflow.cli                                            the command line
workflow.__main__                                       python -m workflow
"""
LEVEL = {
    room: number
    for number, line in enumerate(ROOMS.strip().splitlines())
    for room in re.findall(r"(?:simclr|workflow)[\w.]*", line.split("  ")[0])
}
LONGEST = 300  # lines of a file


def module_name(file: Path, root: Path) -> str:
    return ".".join(file.relative_to(root).with_suffix("").parts).removesuffix(".__init__")


def modules_of(root: Path) -> dict[str, Path]:
    """Module -> its file, for all modules of both packages."""
    files = [file for top in ("simclr", "workflow") for file in (root / top).rglob("*.py")]
    return {module_name(file, root): file for file in files}


def room_of(module: str, file: Path) -> str:
    """The folder of a module; a module that stands beside the folders is a room of its own."""
    parts = module.split(".")
    in_folder = len(parts) > 2 or (file.name == "__init__.py" and len(parts) == 2)
    return ".".join(parts if file.name == "__init__.py" or not in_folder else parts[:-1])


@functools.cache
def tree_of(file: Path) -> ast.Module:
    return ast.parse(file.read_text())


def imported(file: Path, modules: dict[str, Path]) -> set[str]:
    """The modules of the project that a file imports, in functions too."""
    names = set()
    for node in ast.walk(tree_of(file)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: write imports from the root"
            whole = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= {name if name in modules else node.module for name in whole}
    return {name for name in names if name.split(".")[0] in ("simclr", "workflow", "tests")}


def wrong_ways(root: Path) -> list[str]:
    """Every import that leads up, or to a neighbor of the same line."""
    modules = modules_of(root)
    found = []
    for module, file in sorted(modules.items()):
        room = room_of(module, file)
        for name in sorted(imported(file, modules)):
            other = room_of(name, modules[name]) if name in modules else name
            if other != room and LEVEL.get(other, len(LEVEL)) >= LEVEL.get(room, -1):
                found.append(f"{module} imports {name}: {room} may not look at {other}")
    return found


def test_imports_lead_one_way():
    """From the top of the table down: so there is no cycle between folders either."""
    found = wrong_ways(ROOT)
    assert not found, "\n".join(found)


def test_the_table_names_every_room():
    modules = modules_of(ROOT)
    assert {room_of(module, file) for module, file in modules.items()} == set(LEVEL)


def defined(file: Path) -> set[str]:
    """The names that a module has: of its functions, classes, variables and imports."""
    found = set()
    for node in ast.walk(tree_of(file)):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found |= {alias.asname or alias.name for alias in node.names}
    return found


def test_what_is_imported_is_there():
    """Imports within functions too, which fail only when they are called."""
    modules = modules_of(ROOT)
    missing = [
        f"{module} imports {node.module}.{alias.name}"
        for module, file in modules.items()
        for node in ast.walk(tree_of(file))
        if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] in ("simclr", "workflow")
        for alias in node.names
        if f"{node.module}.{alias.name}" not in modules
        and alias.name not in defined(modules[node.module])
    ]
    assert not missing


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("simclr/augment/one.py", "from simclr.data import packed"),
        ("simclr/augment/one.py", "def f():\n    import simclr.losses"),
        ("simclr/config.py", "from workflow import catalog"),
        ("workflow/planning/one.py", "from workflow.running import session"),
        ("workflow/planning/one.py", "from tests import project"),
        ("workflow/elsewhere/one.py", "import simclr.config"),
    ],
)
def test_a_wrong_way_is_seen(tmp_path, name, line):
    (tmp_path / name).parent.mkdir(parents=True)
    (tmp_path / name).write_text(line)
    assert len(wrong_ways(tmp_path)) == 1


def strings(file: Path) -> set[str]:
    """The strings of a file, docstrings left out."""
    nodes = list(ast.walk(tree_of(file)))
    docstrings = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    return {
        node.value
        for node in nodes
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if id(node) not in docstrings
    }


def test_the_science_does_not_know_the_workflow():
    """Neither by imports, which the table forbids, nor by a module's name in a string."""
    files = {m: file for m, file in modules_of(ROOT).items() if m.split(".")[0] == "simclr"}
    found = [
        f"{module}: {text!r}"
        for module, file in files.items()
        for text in strings(file)
        if re.search(r"\bworkflow\b", text)
    ]
    assert len(files) > 40 and not found, "\n".join(found)


def test_files_are_short():
    lengths = {name: len(f.read_text().splitlines()) for name, f in modules_of(ROOT).items()}
    assert not {name: length for name, length in lengths.items() if length > LONGEST}


def test_packages_hold_a_docstring_only():
    """What a package's __init__ holds is part of the key of every result that its modules reach."""
    found = [
        file
        for file in modules_of(ROOT).values()
        if file.name == "__init__.py" and file.parent.parent != ROOT
        if len(tree_of(file).body) != 1 or ast.get_docstring(tree_of(file)) is None
    ]
    assert not found
