"""The record of how a result was made."""

import contextlib
import importlib
import importlib.metadata
import os
import platform
import resource
import sys
import sysconfig
from pathlib import Path

from simclr import files
from simclr.store import keys, results
from simclr.store.instance import Instance


def write_provenance(instance: Instance, out: Path, started, seconds: float) -> None:
    """Write provenance.json of a complete result in the folder `out`.

    started: when, with its time zone; seconds: how long it took.
    """
    names = sorted(p.name for p in out.iterdir())
    provenance = {
        **instance.record(),
        "code": keys.fingerprint(instance.modules),
        "versions": {
            name: installed_version(name) for name in keys.pinned_versions(instance.modules)
        },
        "python": platform.python_version(),
        "hardware": hardware(instance.device),
        "ranks": int(os.environ.get("WORLD_SIZE", "1")),  # another number rounds differently
        "started": started.isoformat(timespec="seconds"),
        "seconds": round(seconds, 2),
        "process_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,  # most so far
        "outputs": {name: files.sha256(out / name) for name in names},
    }
    files.write_atomic(out / results.PROVENANCE, results.provenance_text(provenance))


def hardware(device: str = "cpu") -> str:
    """Return the processor's model and instruction set, or the model of the GPU (`cuda`)."""
    if device == "cuda":
        import torch

        return torch.cuda.get_device_name()
    with contextlib.suppress(OSError):
        for line in files.read_text(Path("/proc/cpuinfo")).splitlines():
            if line.startswith("model name"):
                model = f"{line.split(':', 1)[1].strip()}, {platform.machine()}"
                torch = sys.modules.get("torch")
                return f"{model}, {torch.backends.cpu.get_cpu_capability()}" if torch else model
    return platform.processor() or platform.machine()


def homes(modules: tuple[str, ...]) -> dict[str, Path]:
    """Return {top-level module: folder where it is installed} of the libraries that these import.

    Those of Python itself and those that requirements.lock pins.
    """
    found = {}
    for top in keys.imported_tops(modules):
        if top in sys.stdlib_module_names:
            found[top] = Path(sysconfig.get_path("stdlib"))
        elif (name := keys.DISTRIBUTIONS.get(top, top)) in keys.locked():
            found[top] = Path(importlib.metadata.distribution(name).locate_file(""))
    return found


def installed_version(name: str) -> str:
    """Return the release of an installed library, `nothing` where there is none."""
    try:  # "2.11.0+cu128" and "2.11.0" are the same release
        return importlib.metadata.version(name).split("+")[0]
    except importlib.metadata.PackageNotFoundError:
        return "nothing"
