"""What makes bits equal: instruction sets, threads, deterministic kernels.

Part of every key: whatever is changed here may change every result.
"""

import os
import sys
from pathlib import Path

from simclr.config import ConfigError

PROCESSOR = Path("/proc/cpuinfo")
# AVX-512 kernels add in another order, so a result would depend on whether a processor has them.
# At the sizes of the laptop scales they are no faster.
INSTRUCTION_SETS = {
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "OPENBLAS_CORETYPE": "Haswell",  # of NumPy and SciPy
}
# Other variables that change kernels or their order of additions.
UNSET = (
    "DNNL_MAX_CPU_ISA",
    "ONEDNN_DEFAULT_FPMATH_MODE",
    "DNNL_DEFAULT_FPMATH_MODE",
    "ONEDNN_CPU_ISA_HINTS",
    "MKL_CBWR",
    "MKL_ENABLE_INSTRUCTIONS",
    "MKL_DEBUG_CPU_TYPE",
    "NPY_DISABLE_CPU_FEATURES",
    "NVIDIA_TF32_OVERRIDE",
    "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE",
)
CUBLAS = ("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS is deterministic with a fixed workspace


def cap_instruction_sets() -> None:
    """Keep torch, oneDNN and OpenBLAS at AVX2 where the processor has AVX-512.

    Must run before torch computes: it reads these variables at its first use. A value that is set
    already stays; `check_environment` then refuses to compute under it.
    """
    if PROCESSOR.is_file() and "avx512f" in PROCESSOR.read_text(encoding="utf-8", errors="replace"):
        for name, value in INSTRUCTION_SETS.items():
            os.environ.setdefault(name, value)


def check_environment() -> None:
    """Raise ConfigError where an environment variable makes other bits than the key stands for."""
    allowed = {**INSTRUCTION_SETS, CUBLAS[0]: CUBLAS[1], **dict.fromkeys(UNSET)}
    for name, value in allowed.items():
        found = os.environ.get(name)
        if found is not None and found != value:
            raise ConfigError(
                f"{name}: {found!r} is set, which changes results; `unset {name}` and run again."
            )


def make_deterministic() -> None:
    """One thread on the CPU, deterministic kernels. No effect on stages without torch."""
    torch = sys.modules.get("torch")
    if torch is not None:
        os.environ.setdefault(*CUBLAS)
        torch.set_num_threads(1)  # `--cores N` packs N jobs, and never changes a bit
        torch.use_deterministic_algorithms(True)
        torch.backends.cudnn.benchmark = False
