"""Which bits are equal where: the same short run under other threads, locales, instruction sets."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.project import ROOT
from tests.training import prepare_data

RUN = """
import sys
from pathlib import Path
from simclr import evaluate, pretrain, runner
from simclr.config import build
from simclr.settings import Evaluate
from tests.training import pretrain_settings, run
runner.make_deterministic()
data, out = map(Path, sys.argv[1:])
lars = {"kind": "lars", "base_lr": 2.0, "warmup_epochs": 0.5}
run(pretrain, pretrain_settings(optimizer=lars), data, out / "encoder")
settings = build(Evaluate, {"batch_size": 20, "epochs": 5, "neighbours": 5})
run(evaluate, settings, data, out / "metrics", encoder=out / "encoder")
"""
FLAGS = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").is_file() else ""
AVX2 = pytest.mark.skipif("avx2" not in FLAGS, reason="no processor with AVX2")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return prepare_data(tmp_path_factory.mktemp("data") / "data")


def plain_environment() -> dict[str, str]:
    """This process's environment, without what simclr or a worker of pytest puts there."""
    hidden = ("ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "OPENBLAS_CORETYPE", "OMP_NUM_THREADS")
    return {name: value for name, value in os.environ.items() if name not in hidden}


def hashes(data, out, **environment) -> dict[str, str]:
    """SHA-256 of every output of a run in a process of its own."""
    subprocess.run(
        [sys.executable, "-c", RUN, data, out],
        cwd=ROOT,
        env={**plain_environment(), **environment},
        check=True,
    )
    return {
        str(file.relative_to(out)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(out.rglob("*"))
        if file.is_file()
    }


@pytest.fixture(scope="module")
def usual(data, tmp_path_factory):
    """(the folder of a run as it is without these variables, its hashes)."""
    out = tmp_path_factory.mktemp("usual")
    return out, hashes(data, out)


@pytest.mark.parametrize(
    "environment",
    [
        {"OMP_NUM_THREADS": "4", "MKL_NUM_THREADS": "4"},
        {"LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8", "TZ": "Asia/Kathmandu"},
        pytest.param({"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"}, marks=AVX2),
        {"PYTHONHASHSEED": "7"},
    ],
    ids=["threads", "locale", "avx2", "hash seed"],
)
def test_bits_do_not_depend_on(environment, data, usual, tmp_path):
    _, wanted = usual
    assert set(wanted) >= {"encoder/encoder.safetensors", "metrics/metrics.json"}
    assert hashes(data, tmp_path / "out", **environment) == wanted


@AVX2
def test_without_vector_instructions_bits_differ_and_the_run_agrees(data, usual, tmp_path):
    """So they are a part of "the same kind of machine"; the first epoch's loss shows it small."""
    folder, wanted = usual
    other = hashes(data, tmp_path, ATEN_CPU_CAPABILITY="default", ONEDNN_MAX_CPU_ISA="SSE41")
    assert other["encoder/encoder.safetensors"] != wanted["encoder/encoder.safetensors"]
    first = [
        float((one / "encoder" / "curves.csv").read_text().split("\n")[1].split(",")[1])
        for one in (tmp_path, folder)
    ]
    assert first[0] == pytest.approx(first[1], rel=1e-3)


@pytest.mark.skipif("avx512f" not in FLAGS, reason="no processor with AVX-512")
def test_processors_with_avx512_use_avx2():
    code = "import simclr, torch; print(torch.backends.cpu.get_cpu_capability())"
    for given, wanted in ({}, "AVX2"), ({"ATEN_CPU_CAPABILITY": "default"}, "DEFAULT"):
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={**plain_environment(), **given},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == wanted
