"""The project's code, read once a process: what is imported is what the keys hash.

`Finder` finds the modules of a package below ROOT only, whatever sys.path says, and compiles the
very bytes that `source` gives to simclr/store/keys.py. So an edit that is saved while a process
starts or runs is in both the keys and the results of the process, or in neither. No .pyc is used:
one that was made before an edit of equal length in the same second looks up to date.
"""

import functools
import importlib.machinery
import importlib.util
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@functools.cache
def file_of(name: str, root: Path) -> Path | None:
    """Return the source file of a module, None where the project has none of this name."""
    path = root.joinpath(*name.split("."))
    candidates = (path / "__init__.py", path.with_name(f"{path.name}.py"))
    return next((file for file in candidates if file.is_file()), None)


@functools.cache
def source(file: Path) -> bytes:
    """Return the bytes of a source file, those of the first call for ever."""
    return file.read_bytes()


class Loader(importlib.machinery.SourceFileLoader):
    """Loads a module from the bytes that `source` keeps."""

    def get_code(self, fullname: str):
        """Compile the module."""
        return self.source_to_code(source(Path(self.path)), self.path)


class Finder:
    """Finds the modules of the project, for sys.meta_path."""

    @staticmethod
    def find_spec(name: str, path=None, target=None):
        """Return the spec of a module of the project. Raises ModuleNotFoundError."""
        if name.partition(".")[0] not in PACKAGES:
            return None
        file = file_of(name, ROOT)
        if file is None:
            raise ModuleNotFoundError(f"No module named {name!r} below {ROOT}", name=name)
        return importlib.util.spec_from_file_location(
            name,
            file,
            loader=Loader(name, str(file)),
            submodule_search_locations=[str(file.parent)] if file.stem == "__init__" else None,
        )


def own(package: str) -> None:
    """Have the modules of a package loaded so; its own `__init__` calls this.

    What was loaded before, that is `__init__` and what it needs for this call, must be what
    `source` gives: raises ImportError where it is not.
    """
    PACKAGES.add(package)
    frame = sys._getframe()
    while frame is not None:
        if frame.f_code.co_name == "<module>":
            STARTED.setdefault(frame.f_globals.get("__name__"), frame.f_code)
        frame = frame.f_back
    for name, module in list(sys.modules.items()):
        ours = name.partition(".")[0] in PACKAGES and not isinstance(module.__loader__, Loader)
        if ours and not _is_kept(name, module):
            raise ImportError(
                f"{module.__file__}: it is {name}, but not as it stands below {ROOT}. Run again; "
                f"with no other copy of the project in PYTHONPATH, and no __pycache__ beside it."
            )


def _is_kept(name: str, module) -> bool:
    """Tell whether a module that was loaded before the finder was there is what `source` gives."""
    file = file_of(name, ROOT)
    if file is None or not file.samefile(module.__file__):
        return False
    return STARTED.get(name) == Loader(name, str(file)).get_code(name)


PACKAGES = {__package__}
# Name -> the code of a module that was at work before the finder could find it.
STARTED = {__name__: sys._getframe().f_code}
sys.meta_path.insert(0, Finder)
