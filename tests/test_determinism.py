"""What decides bits is in the key, and an environment that changes them is refused."""

import ast
import os
import subprocess
import sys

import pytest

from simclr import determinism
from simclr.config import ConfigError
from simclr.registry import DECLARED
from simclr.store import keys
from tests.project import ROOT


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ATEN_CPU_CAPABILITY", "avx512"),
        ("ATEN_CPU_CAPABILITY", "default"),
        ("ONEDNN_MAX_CPU_ISA", "SSE41"),
        ("OPENBLAS_CORETYPE", "SkylakeX"),
        ("CUBLAS_WORKSPACE_CONFIG", ":16:8"),
        *((name, "1") for name in determinism.UNSET),
    ],
)
def test_a_variable_that_changes_bits_is_refused(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=f"^{name}: '{value}' is set.*`unset {name}`"):
        determinism.check_environment()


def test_the_usual_environment_is_accepted(monkeypatch):
    for name in determinism.UNSET:
        monkeypatch.delenv(name, raising=False)
    for name, value in determinism.INSTRUCTION_SETS["avx2"].items():
        monkeypatch.setenv(name, value)
    determinism.check_environment()


def test_the_cap_is_set_before_torch_computes_where_the_processor_has_more():
    """In a process of its own: importing any part of the package sets it."""
    plain = {k: v for k, v in os.environ.items() if k not in determinism.INSTRUCTION_SETS["avx2"]}
    code = "import os, simclr.config; print(os.environ.get('ATEN_CPU_CAPABILITY'))"
    said = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=plain, capture_output=True, text=True
    ).stdout.strip()
    processor = determinism.PROCESSOR
    has_more = processor.is_file() and "avx512f" in processor.read_text()
    assert said == ("avx2" if has_more else "None")


def test_numpy_functions_that_the_cap_does_not_reach_are_not_used():
    """With AVX-512 they have kernels of their own. (The one use rounds what it gets.)"""
    other_kernels = {
        *("exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "cbrt", "power", "float_power"),
        *("sin", "cos", "tan", "arcsin", "arccos", "arctan", "arctan2", "sinh", "cosh", "tanh"),
        *("arcsinh", "arccosh", "arctanh", "geomspace", "logspace"),
    }
    used = {
        (path.stem, node.attr)
        for path in (ROOT / "simclr").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) in ("np", "numpy")
    }
    assert {each for each in used if each[1] in other_kernels} == {("transfer", "geomspace")}


@pytest.mark.slow
@pytest.mark.parametrize("threads", ["1", "2"])
def test_every_library_computes_in_one_thread(threads):
    """In a process of its own: BLAS with more threads adds in another order (stage `transfer`)."""
    code = """
import simclr.stages.transfer, sklearn.manifold
from simclr import determinism
from threadpoolctl import threadpool_info
determinism.make_deterministic()
print(sorted({(pool["user_api"], pool["num_threads"]) for pool in threadpool_info()}))
"""
    env = {**os.environ, "OPENBLAS_NUM_THREADS": threads, "OMP_NUM_THREADS": threads}
    said = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True, check=True
    ).stdout.strip()
    assert said == "[('blas', 1), ('openmp', 1)]"


def test_it_is_part_of_every_key():
    for stage in DECLARED:
        reached = keys.closure((stage.module,))
        assert {"simclr", "simclr.determinism"} <= reached, stage.name
