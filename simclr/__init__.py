"""SimCLR (Chen et al., ICML 2020), replicated: data, views, encoders, losses, training."""

import os
from pathlib import Path

# The same bits with and without AVX-512: its kernels add in another order, and at the sizes of the
# laptop scales they are no faster. torch reads this at its first use; what is set already stays.
_CPU = Path("/proc/cpuinfo")
if _CPU.is_file() and "avx512f" in _CPU.read_text():
    os.environ.setdefault("ATEN_CPU_CAPABILITY", "avx2")
    os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX2")
    os.environ.setdefault("OPENBLAS_CORETYPE", "Haswell")  # of NumPy and SciPy
