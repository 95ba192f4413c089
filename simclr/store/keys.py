"""The name of a result: a hash of everything that can change it.

    key = sha256(stage, resolved settings, keys of the inputs, code, library versions)[:12]

*Code* is the syntax tree, without comments and docstrings, of every module of this project that
the stage's module can import. *Library versions* are those that requirements.lock pins, of the
libraries which that code imports. Device kind, precision and instruction set are settings. So a
clone computes the same keys, an edited comment recomputes nothing, and an edited evaluation leaves
encoders alone.
The bytes that are hashed are those that are imported (simclr/code.py).

Nothing here imports torch: planning a thousand runs must cost milliseconds.
"""

import ast
import functools
import hashlib
import json
import re
from pathlib import Path

from packaging.markers import Marker

from simclr.code import ROOT, file_of, source
from simclr.files import read_text

# Declarations of settings: what they do to a result stands in the resolved settings of its key.
NOT_CODE = ("simclr.config", "simclr.settings", "simclr.registry")
# Import name -> name in the lock file, where they differ.
DISTRIBUTIONS = {"PIL": "pillow", "yaml": "pyyaml", "sklearn": "scikit-learn"}


def made_of(stage: str, settings: dict, inputs: dict[str, str], modules: tuple[str, ...]) -> dict:
    """Return what the key is the hash of.

    settings: resolved, plain JSON types; inputs: role -> key of another result; modules: the entry
    modules of the code, dotted; their code and library versions stand for them.
    """
    return {
        "stage": stage,
        "settings": settings,
        "inputs": inputs,
        "code": fingerprint(modules),
        "versions": pinned_versions(modules),
    }


def key_of(parts: dict) -> str:
    """Return the 12 hex digits that name the result made of these parts (see `made_of`)."""
    return hashlib.sha256(canonical(parts).encode()).hexdigest()[:12]


def canonical(value) -> str:
    """JSON with sorted keys and no spaces: equal values have equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


@functools.cache
def fingerprint(modules: tuple[str, ...], root: Path = ROOT) -> str:
    """Return the SHA-256 of the syntax trees of `modules` and all they import from this project."""
    parts = [f"{name}\n{_tree_text(root, name)}" for name in sorted(closure(modules, root))]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


@functools.cache
def closure(modules: tuple[str, ...], root: Path = ROOT) -> frozenset[str]:
    """Return the names of the project's modules that `modules` reach by imports."""
    seen, todo = set(), list(modules)
    while todo:
        name = todo.pop()
        if name in seen or ".".join(name.split(".")[:2]) in NOT_CODE:
            continue
        seen.add(name)
        todo += [name.rpartition(".")[0]] if "." in name else []  # Python runs it first
        todo += [other for other in _imports(root, name) if file_of(other, root) is not None]
    return frozenset(seen)


def imported_tops(modules: tuple[str, ...], root: Path = ROOT) -> set[str]:
    """Return the first names, like `torch`, of all that `modules` come to import."""
    imports = {other for name in closure(modules, root) for other in _imports(root, name)}
    return {name.split(".")[0] for name in imports}


@functools.cache
def pinned_versions(modules: tuple[str, ...], root: Path = ROOT) -> dict[str, str]:
    """Return {distribution: version} of the locked libraries that `modules` come to import."""
    names = {DISTRIBUTIONS.get(top, top) for top in imported_tops(modules, root)}
    return {name: version for name, version in locked(root).items() if name in names}


@functools.cache
def locked(root: Path = ROOT) -> dict[str, str]:
    """Return {distribution: version} as requirements.lock pins them for this Python.

    A line is `name==version ; marker \\`, the marker optional: some libraries have one version
    for Python 3.11 and another for later ones.
    """
    versions = {}
    for line in read_text(root / "requirements.lock").splitlines():
        match = re.match(r"([A-Za-z0-9._-]+)==([^\s;\\]+)\s*(?:;([^\\]*))?", line)
        if match and (match[3] is None or Marker(match[3].strip()).evaluate()):
            versions[match[1]] = match[2]
    return dict(sorted(versions.items()))


def is_package(name: str, root: Path = ROOT) -> bool:
    """Tell whether `name` is a package of this project."""
    file = file_of(name, root)
    return file is not None and file.name == "__init__.py"


@functools.cache
def _tree(root: Path, name: str) -> ast.Module:
    file = file_of(name, root)
    if file is None:
        raise FileNotFoundError(f"module {name} has no source below {root}")
    return ast.parse(source(file), filename=str(file))


@functools.cache
def _imports(root: Path, name: str) -> tuple[str, ...]:
    """All modules that `name` may import, at its top or inside functions, as dotted names."""
    names = []
    for node in ast.walk(_tree(root, name)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                raise SyntaxError(f"{name}: relative import; the project imports absolutely")
            # `from a import b` may name a module, or something in one
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return tuple(sorted(set(names)))


@functools.cache
def _tree_text(root: Path, name: str) -> str:
    return _dump(_tree(root, name))


def _dump(node) -> str:
    """A syntax tree as text, without docstrings, positions and empty fields.

    Not ast.dump: its output for the same source differs between Python versions, where new
    versions add fields that are empty for old syntax.
    """
    if isinstance(node, list):
        return "[" + ",".join(map(_dump, node)) + "]"
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = []
    for name, value in ast.iter_fields(node):
        if name == "body" and isinstance(
            node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
        ):
            value = value[1:] if ast.get_docstring(node, clean=False) is not None else value
        if value is None or value == [] or name in ("type_comment", "kind"):
            continue
        fields.append(f"{name}={_dump(value)}")
    return f"{type(node).__name__}({','.join(fields)})"
