"""The name of a result changes with whatever can change the result, and with nothing else."""

import ast
import dataclasses
import textwrap
from itertools import chain

import pytest

from simclr import code, files
from simclr.registry import DECLARED
from simclr.settings import data, measuring, training
from simclr.store import keys


@pytest.fixture
def project(tmp_path):
    """A small project: stage `a` imports `b`; `c` stands alone."""
    package = tmp_path / "simclr"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (tmp_path / "requirements.lock").write_text(
        "numpy==1.2.3 \\\n    --hash=sha256:00\nnumpy==0.9 ; python_version < '3'\n"
        "pillow==9.9 ; python_version > '3'\nother==5\n"
    )
    (package / "a.py").write_text(
        "import numpy\nfrom simclr import b\n\ndef run():\n    return b.x\n"
    )
    (package / "b.py").write_text("from PIL import Image\nx = 1\n")
    (package / "c.py").write_text("y = 1\n")
    return tmp_path


def fingerprint(project, module="simclr.a"):
    for cached in (code.file_of, code.source, keys.fingerprint, keys.closure, keys._tree):
        cached.cache_clear()
    for cached in (keys._imports, keys._tree_text):
        cached.cache_clear()
    return keys.fingerprint((module,), project)


def test_comments_docstrings_and_layout_do_not_count(project):
    before = fingerprint(project)
    (project / "simclr/a.py").write_text(
        textwrap.dedent(
            '''
            """A docstring."""
            import numpy  # a comment
            from simclr import b

            def run():
                """Another."""

                return (b.x)
            '''
        )
    )
    assert fingerprint(project) == before


@pytest.mark.parametrize("edit", ["x = 2", "x = 1\nz = 3", "x = '1'", "x = 1.0"])
def test_code_counts_also_where_it_is_imported(project, edit):
    before = fingerprint(project)
    (project / "simclr/b.py").write_text(f"from PIL import Image\n{edit}\n")
    assert fingerprint(project) != before


def test_code_that_is_not_imported_does_not_count(project):
    before = fingerprint(project)
    (project / "simclr/c.py").write_text("y = 2\n")
    assert fingerprint(project) == before


def test_imports_inside_functions_are_followed(project):
    (project / "simclr/a.py").write_text("def run():\n    from simclr.c import y\n    return y\n")
    before = fingerprint(project)
    (project / "simclr/c.py").write_text("y = 2\n")
    assert fingerprint(project) != before


def test_versions_are_those_of_imported_libraries(project):
    fingerprint(project)
    keys.pinned_versions.cache_clear()
    keys.locked.cache_clear()
    found = keys.pinned_versions(("simclr.a",), project)
    assert found == {"numpy": "1.2.3", "pillow": "9.9"}


def test_every_part_of_the_key_counts():
    base = ("pretrain", {"epochs": 1}, {"data": "abc"}, ("simclr.config",))
    changed = [
        ("supervise", *base[1:]),
        (base[0], {"epochs": 2}, *base[2:]),
        (*base[:2], {"data": "abd"}, base[3]),
        (*base[:3], ("simclr.store.keys",)),
    ]
    found = {keys.key_of(keys.made_of(*arguments)) for arguments in (base, *changed)}
    assert len(found) == 5 and all(len(key) == 12 for key in found)


def test_evaluation_code_is_not_part_of_an_encoder():
    reached = keys.closure(("simclr.stages.pretrain",))
    assert "simclr.augment.pipeline" in reached and "simclr.losses" in reached
    assert not reached & {
        "simclr.stages.evaluate",
        "simclr.store.runner",
        "workflow.cli",
        "simclr.settings",
    }


def test_settings_and_config_hold_declarations_only():
    """They are not part of any key, so nothing in them may compute what goes into a result."""
    for name in ("", ".data", ".training", ".measuring"):
        imported = keys._imports(files.ROOT, f"simclr.settings{name}")
        assert {name.split(".")[0] for name in imported} <= {"dataclasses", "simclr"}
    assert "torch" not in keys._imports(files.ROOT, "simclr.config")
    for one in settings_classes().values():
        assert {name for name in vars(one) if not name.startswith("__")} <= {"check", *fields(one)}


def settings_classes() -> dict[str, type]:
    rooms = (vars(room).items() for room in (data, measuring, training))
    found = {name: one for name, one in chain(*rooms) if dataclasses.is_dataclass(one)}
    assert len(found) > 10
    return found


def fields(one: type) -> set[str]:
    return {field.name for field in dataclasses.fields(one)}


def test_keyed_code_takes_no_default_of_the_settings():
    """A stage that makes settings of its own states each field: no key holds the defaults."""
    classes, found = settings_classes(), []
    for module in set().union(*(keys.closure((stage.module,)) for stage in DECLARED)):
        for node in ast.walk(keys._tree(files.ROOT, module)):
            if isinstance(node, ast.Call) and getattr(node.func, "id", None) in classes:
                one = node.func.id
                found.append(one)
                assert {word.arg for word in node.keywords} == fields(classes[one]), module
    assert {"Views", "Optimizer"} <= set(found)
