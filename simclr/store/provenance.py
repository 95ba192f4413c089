"""The record of how a result was made."""

import contextlib
import importlib
import importlib.metadata
import os
import platform
import resource
import sys
from pathlib import Path

from simclr import files
from simclr.store import keys, results


def write_provenance(instance: dict, out: Path, started, seconds: float) -> None:
    names = sorted(p.name for p in out.iterdir())
    modules = tuple(instance["modules"])
    versions = keys.pinned_versions(modules)
    provenance = {
        **{name: instance[name] for name in ("key", "stage", "name", "settings", "inputs")},
        "code": keys.fingerprint(modules),
        "versions": {name: installed_version(name) for name in versions},
        "python": platform.python_version(),
        "hardware": hardware(instance["settings"].get("device", "cpu")),
        "ranks": int(os.environ.get("WORLD_SIZE", "1")),  # others round otherwise
        "started": started.isoformat(timespec="seconds"),
        "seconds": round(seconds, 2),
        "process_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,  # most so far
        "outputs": {name: files.sha256(out / name) for name in names},
    }
    (out / results.PROVENANCE).write_text(results.provenance_text(provenance))


def hardware(device: str = "cpu") -> str:
    """Return the processor's model and instruction set, or the model of the GPU (`cuda`)."""
    if device == "cuda":
        import torch

        return torch.cuda.get_device_name()
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                model = f"{line.split(':', 1)[1].strip()}, {platform.machine()}"
                torch = sys.modules.get("torch")
                return f"{model}, {torch.backends.cpu.get_cpu_capability()}" if torch else model
    return platform.processor() or platform.machine()


def installed_version(name: str) -> str:
    try:  # "2.11.0+cu128" and "2.11.0" are the same release
        return importlib.metadata.version(name).split("+")[0]
    except importlib.metadata.PackageNotFoundError:
        return "nothing"
