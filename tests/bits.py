"""Which bits are equal where: one short run under other threads, locales, instruction sets.

python -m tests.bits            # a minute; the tests run it too

Each environment is a process of its own that draws patterns, pretrains on them (LARS, crop, flip,
colour) and measures the frozen encoder by every stage that does; every output is compared with that
of a plain process.
"""

import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests import evidence
from tests.project import ROOT

RUN = """
import sys
from pathlib import Path
from simclr.determinism import make_deterministic
from simclr.config import build
from simclr.settings.measuring import Evaluate, Histograms, Maps, Neighbours, Probe, Transfer
from simclr.stages import evaluate, histograms, maps, neighbours, pretrain, probe, transfer
from tests.training import prepare_data, pretrain_settings, run
make_deterministic()
out = Path(sys.argv[1])
out.mkdir(exist_ok=True)
data = prepare_data(out / "data")
lars = {"kind": "lars", "base_lr": 2.0, "warmup_epochs": 0.5}
encoder = run(pretrain, pretrain_settings(optimizer=lars), data, out / "encoder")
measured = {
    evaluate: build(Evaluate, {"batch_size": 20, "epochs": 5, "neighbours": 5}),
    histograms: build(Histograms, {"images": 20}),
    maps: build(Maps, {"images": 40, "perplexity": 5.0}),
    neighbours: build(Neighbours, {"queries": 3, "nearest": 2}),
    probe: build(Probe, {"batch_size": 30, "epochs": 5, "hidden": 16}),
    transfer: build(Transfer, {"penalties": 15}),
}
for stage, settings in measured.items():
    run(stage, settings, data, out / stage.__name__.split(".")[-1], encoder=encoder)
# The stage says only which one it chose.
(out / "penalties").write_text(repr(transfer.penalties(build(Transfer, {}))), encoding="utf-8")
"""
# What varies -> (the variables, the flag that the processor must have, whether the bits are equal).
ENVIRONMENTS = {
    "four threads": ({"OMP_NUM_THREADS": "4", "MKL_NUM_THREADS": "4"}, "", True),
    "Turkish locale, Nepal's time": (
        {"LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8", "TZ": "Asia/Kathmandu"},
        "",
        True,
    ),
    "another hash seed": ({"PYTHONHASHSEED": "7"}, "", True),
    "at most AVX2": ({"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"}, "avx2", True),
    "AVX-512 forced": (
        {
            "ATEN_CPU_CAPABILITY": "avx512",
            "ONEDNN_MAX_CPU_ISA": "AVX512_CORE",
            "OPENBLAS_CORETYPE": "SkylakeX",
        },
        "avx512f",
        False,
    ),
    # NumPy has kernels of its own, which the cap does not reach: its power function differs.
    "NumPy without AVX-512": ({"NPY_DISABLE_CPU_FEATURES": "X86_V4"}, "avx512f", True),
    "no vector instructions": (
        {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41"},
        "avx2",
        False,
    ),
}
_CPU = Path("/proc/cpuinfo")
FLAGS = _CPU.read_text(encoding="utf-8") if _CPU.is_file() else ""


def plain_environment() -> dict[str, str]:
    """This process's environment, without what simclr or a worker of pytest puts there."""
    hidden = ("ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "OPENBLAS_CORETYPE", "OMP_NUM_THREADS")
    return {name: value for name, value in os.environ.items() if name not in hidden}


def hashes(out: Path, **environment) -> dict[str, str]:
    """SHA-256 of every output of a run in a process of its own."""
    subprocess.run(
        [sys.executable, "-c", RUN, out],
        cwd=ROOT,
        env={**plain_environment(), **environment},
        check=True,
    )
    return {
        str(file.relative_to(out)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(out.rglob("*"))
        if file.is_file()
    }


def main() -> int:
    arguments = evidence.parser("bits", __doc__.split("\n")[0]).parse_args()
    with tempfile.TemporaryDirectory() as root:
        usual = hashes(Path(root) / "usual")
        found = {}
        for number, (what, (variables, flag, _)) in enumerate(ENVIRONMENTS.items()):
            if flag in FLAGS:
                other = hashes(Path(root) / str(number), **variables)
                differ = sorted(name for name in usual if other[name] != usual[name])
                found[what] = {"variables": variables, "differ": differ}
    evidence.keep(arguments.json, {"outputs": sorted(usual), "environments": found})
    return 0


if __name__ == "__main__":
    sys.exit(main())
