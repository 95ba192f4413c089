"""Which bits are equal where: what `python -m tests.bits` compares, held."""

import subprocess
import sys

import pytest

from simclr import files
from tests import bits
from tests.project import ROOT


@pytest.fixture(scope="module")
def usual(tmp_path_factory):
    """(the folder of a run as it is without these variables, its hashes)."""
    out = tmp_path_factory.mktemp("usual")
    return out, bits.hashes(out)


@pytest.mark.slow
@pytest.mark.parametrize("what", bits.ENVIRONMENTS)
def test_bits_by_environment(what, usual, tmp_path):
    """Equal, or else much the same: the first epoch's loss shows it."""
    variables, flag, equal = bits.ENVIRONMENTS[what]
    if flag not in bits.FLAGS:
        pytest.skip(f"the processor has no {flag}")
    folder, wanted = usual
    found = bits.hashes(tmp_path, **variables)
    assert set(found) == set(wanted) >= {"encoder/encoder.safetensors", "transfer/metrics.json"}
    if equal:
        assert found == wanted
    else:
        assert found["encoder/encoder.safetensors"] != wanted["encoder/encoder.safetensors"]
        assert first_loss(tmp_path) == pytest.approx(first_loss(folder), rel=1e-3)


def first_loss(folder) -> float:
    """Of the first epoch."""
    curves = files.read_csv(folder / "encoder" / "curves.csv")
    return float(curves[0]["loss"])


@pytest.mark.slow
@pytest.mark.skipif("avx512f" not in bits.FLAGS, reason="no processor with AVX-512")
def test_processors_with_avx512_use_avx2():
    code = "import simclr, torch; print(torch.backends.cpu.get_cpu_capability())"
    for given, wanted in ({}, "AVX2"), ({"ATEN_CPU_CAPABILITY": "default"}, "DEFAULT"):
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={**bits.plain_environment(), **given},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == wanted
