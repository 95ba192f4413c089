"""What makes bits equal: instruction sets, threads, deterministic kernels.

Part of every key: whatever is changed here may change every result.
"""

import os
import sys
from pathlib import Path

from simclr.config import ConfigError

PROCESSOR = Path("/proc/cpuinfo")
# AVX-512 kernels add in another order, so a result would depend on whether a processor has them:
# a scale chooses by `instruction_set`. These variables then tell torch, oneDNN, and the OpenBLAS of
# NumPy and SciPy.
INSTRUCTION_SETS = {
    "avx2": {
        "ATEN_CPU_CAPABILITY": "avx2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "OPENBLAS_CORETYPE": "Haswell",
    },
    "avx512": {  # the first such processors, so that later ones compute the same
        "ATEN_CPU_CAPABILITY": "avx512",
        "ONEDNN_MAX_CPU_ISA": "AVX512_CORE",
        "OPENBLAS_CORETYPE": "SkylakeX",
    },
}
# Other variables that change kernels or their order of additions.
UNSET = (
    "DNNL_MAX_CPU_ISA",
    "ONEDNN_DEFAULT_FPMATH_MODE",
    "DNNL_DEFAULT_FPMATH_MODE",
    "ONEDNN_CPU_ISA_HINTS",
    "DNNL_CPU_ISA_HINTS",
    "MKL_CBWR",
    "MKL_ENABLE_INSTRUCTIONS",
    "MKL_DEBUG_CPU_TYPE",
    "MKL_DISABLE_FAST_MM",
    "OPENBLAS_BLOCK_FACTOR",
    "OPENBLAS_L2_SIZE",
    "NPY_DISABLE_CPU_FEATURES",
    "NPY_ENABLE_CPU_FEATURES",
    "NVIDIA_TF32_OVERRIDE",
    "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE",
    "TORCH_BLAS_PREFER_CUBLASLT",
    "TORCH_CUDNN_USE_HEURISTIC_MODE_B",
    "TORCH_CUDNN_V8_API_DISABLED",
    "TORCH_LINALG_PREFER_CUSOLVER",
    "TORCH_LINEAR_FLATTEN_3D",
    "TORCH_MKLDNN_MATMUL_MIN_DIM",
    "TORCH_MKLDNN_MATMUL_MIN_SIZE",
    "DISABLE_ADDMM_CUDA_LT",
    "CUBLASLT_WORKSPACE_SIZE",
    "PYTORCH_TUNABLEOP_ENABLED",
    # These leave out `compile`, or change what it makes.
    "TORCH_COMPILE_DISABLE",
    "TORCHDYNAMO_DISABLE",
    "TORCHINDUCTOR_MAX_AUTOTUNE",
    "TORCHINDUCTOR_USE_FAST_MATH",
)
CUBLAS = ("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS is deterministic with a fixed workspace


def has_avx512() -> bool:
    """Return whether the processor has the AVX-512 that torch, oneDNN and OpenBLAS use."""
    if not PROCESSOR.is_file():
        return False
    flags = PROCESSOR.read_text(encoding="utf-8", errors="replace").split()
    return {"avx512f", "avx512bw", "avx512dq", "avx512vl"} <= set(flags)


def cap_instruction_sets() -> None:
    """Keep torch, oneDNN and OpenBLAS at AVX2 where the processor has AVX-512.

    Must run before torch computes: it reads these variables at its first use. A value that is set
    already stays; `check_environment` then refuses to compute under it.
    """
    if has_avx512():
        for name, value in INSTRUCTION_SETS["avx2"].items():
            os.environ.setdefault(name, value)


def choose_instruction_set(chosen: str) -> bool:
    """Set the variables of an instruction set. Return whether this process must start again.

    It must where they were those of the cap: a library that is loaded already (OpenBLAS with NumPy)
    has read these. Raises ConfigError where the processor has no such instructions.
    """
    if chosen == "avx2":
        return False
    if not has_avx512():
        raise ConfigError("instruction_set: this processor has no AVX-512; choose avx2.")
    capped = [k for k, v in INSTRUCTION_SETS["avx2"].items() if os.environ.get(k) in (None, v)]
    os.environ.update({name: INSTRUCTION_SETS[chosen][name] for name in capped})
    return bool(capped)


def check_environment(chosen: str = "avx2") -> None:
    """Raise ConfigError where an environment variable makes other bits than the key stands for.

    chosen: the instruction set of the result.
    """
    wanted, capped = INSTRUCTION_SETS[chosen], INSTRUCTION_SETS["avx2"]
    for name, value in {**wanted, CUBLAS[0]: CUBLAS[1], **dict.fromkeys(UNSET)}.items():
        found = os.environ.get(name)
        if found not in (None, value, capped.get(name)):
            raise ConfigError(
                f"{name}: {found!r} is set, which changes results; `unset {name}` and run again."
            )
    if chosen != "avx2" and not wanted.items() <= os.environ.items():
        raise ConfigError(f"instruction_set: this process is at AVX2; `simclr run` uses {chosen}.")


def make_deterministic() -> None:
    """One thread on the CPU, deterministic kernels: `--cores N` packs N jobs, and changes no bit.

    Call it after the stage is imported: it limits the libraries that are loaded by then. BLAS with
    two threads adds in another order, and an iterated fit (L-BFGS) then ends elsewhere.
    """
    from threadpoolctl import threadpool_limits  # here, to plan without it

    threadpool_limits(1)
    torch = sys.modules.get("torch")
    if torch is not None:
        os.environ.setdefault(*CUBLAS)
        torch.set_num_threads(1)
        torch.use_deterministic_algorithms(True)
        torch.backends.cudnn.benchmark = False
