"""What the long checks found, kept as JSON: one form for all of them.

The commands that write it: tests.edits, tests.faults, tests.mutants, tests.fuzz, tests.bits.
`tests.trust` makes docs/trust.md of it.
"""

import argparse
import datetime
import json
import os
import sys
from pathlib import Path

import torch  # noqa: F401 - so that the hardware names the instruction set that is used

from simclr import files
from simclr.store.provenance import hardware

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "evidence"


def parser(name: str, about: str) -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog=f"python -m tests.{name}", description=about)
    made.add_argument("--json", type=Path, metavar="FILE", help="also write what was found there")
    return made


def keep(file: Path | None, found: dict, add: bool = False) -> None:
    """Print what was found, with command, hardware and date; write it to `file` too, if any.

    add: to what stands in the file already.
    """
    command = " ".join(["python -m", f"tests.{Path(sys.argv[0]).stem}", *sys.argv[1:]])
    command = command.partition(" --json")[0]
    if add:
        before = files.read_json(file)
        command = f"{before['command']}; {command}"
        found = {name: total(before[name], value) for name, value in found.items()}
    about = {"command": command, "date": datetime.date.today().isoformat()}
    about |= {"hardware": hardware(), "cores": len(os.sched_getaffinity(0))}
    text = json.dumps({**about, **found}, indent=1)
    print(text)
    if file:
        files.write_atomic(file, text + "\n")


def total(one, other):
    """Return two numbers, lists or dictionaries of numbers as one."""
    if isinstance(one, dict):
        return {key: one.get(key, 0) + other.get(key, 0) for key in sorted({**one, **other})}
    return round(one + other, 1) if isinstance(one, float) else one + other


def read() -> dict[str, dict]:
    """Name of the check -> what it found last."""
    return {file.stem: files.read_json(file) for file in sorted(FOLDER.glob("*.json"))}
