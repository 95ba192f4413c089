"""The README's commands as somebody new would run them, in fresh clones: what they say, and take.

python -m tests.newcomer --folder FOLDER        # half an hour; writes docs/logs/newcomer.txt
python -m tests.newcomer --folder FOLDER --from "dvc repro"     # in the same clones, from there on

The commands are read from the README and then from docs/running.md, in their order, but for
`make test`, which CI runs in a clean checkout. `make` and what follows have a clone of their own:
where published metrics were imported it would have nothing to compute.
"""

import argparse
import datetime
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from simclr import files
from simclr.store.provenance import hardware
from tests.project import ROOT

LOG = ROOT / "docs" / "logs" / "newcomer.txt"
SECTIONS = {"README.md": "Try it", "docs/running.md": "Commands"}
SHOWN = 4  # last lines of what a command says


def commands() -> list[str]:
    """The commands of the sections in SECTIONS, in the order in which they are run."""
    found = []
    for name, title in SECTIONS.items():
        text = (ROOT / name).read_text(encoding="utf-8")
        section = re.search(rf"^## {title}\n(.*?)^## ", text, re.DOTALL | re.MULTILINE)[1]
        lines = re.findall(r"^    (.+)$", section, re.MULTILINE)
        found += [re.split(r"\s+#", line)[0].strip() for line in lines]
    return [command for command in found if command != "make test"]


def chapters() -> dict[str, list[str]]:
    """The commands that share a clone, by what the clone is named."""
    every = commands()
    first = every.index("make")
    return {"minute": every[:first], "hour": every[first:]}


def story(clone: Path, chosen: list[str], say) -> None:
    """Run `chosen` in `clone`, as from a shell in which the environment is activated."""
    path = f"{clone / '.venv' / 'bin'}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
    kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    for command in chosen:
        say(f"$ {command}")
        options = {"cwd": clone, "env": {**kept, "PATH": path}}
        run(
            shlex.split(command),
            lambda line: say(without_addresses(line).replace(str(clone), "CLONE")),
            **options,
        )


def without_addresses(line: str) -> str:
    """Return a line without its URLs: of hosts, or of folders of this machine."""
    return re.sub(r"\w+://[^\s'\",)]+", "ADDRESS", line)


def run(words: list[str], say, **options) -> int:
    """Run a command; say its last lines, its exit status, which is returned, and its time."""
    start = time.monotonic()
    done = subprocess.run(
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", **options
    )
    taken = time.monotonic() - start
    lines = [line.rstrip() for line in done.stdout.splitlines() if line.strip()]
    if len(lines) > SHOWN:
        say(f"... [{len(lines) - SHOWN:,} lines]")
    for line in lines[-SHOWN:]:
        say(line[:200])
    minutes = f"{taken // 60:.0f} min {taken % 60:.0f} s" if taken >= 60 else f"{taken:.1f} s"
    say(f"[exit status {done.returncode}, {minutes}]")
    return done.returncode


def clone_to(folder: Path) -> None:
    """Clone what is committed."""
    subprocess.run(["git", "clone", "--quiet", ROOT, folder], check=True)


def commit_of(folder: Path) -> str:
    """Return the commit that is checked out in a folder, in short."""
    git = ("git", "-C", folder, "rev-parse", "--short", "HEAD")
    return subprocess.check_output(git, encoding="utf-8").strip()


def begun() -> list[str]:
    """The first lines of a log: of what, when and where."""
    today, cores = datetime.date.today(), len(os.sched_getaffinity(0))
    return [
        f"# python -m tests.newcomer, {today}, fresh clones of {commit_of(ROOT)}",
        f"# {hardware()}, {cores} cores, Python {sys.version.split()[0]}",
    ]


def before(command: str) -> list[str]:
    """The lines of the log that stand before a command."""
    lines = files.read_text(LOG).splitlines()
    return [without_addresses(line) for line in lines[: lines.index(f"$ {command}")]]


def main() -> None:
    """Clone what is committed, run each chapter in a clone of its own, write the log."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, help="for the clones (default: a temporary one)")
    parser.add_argument(
        "--from", dest="first", choices=commands(), help="only its chapter, from there on"
    )
    chosen = parser.parse_args()
    folder = chosen.folder or Path(tempfile.mkdtemp())
    log = before(chosen.first) if chosen.first else begun()

    def say(line: str) -> None:
        log.append(line)
        print(line, flush=True)

    for name, wanted in chapters().items():
        if not chosen.first:
            clone_to(folder / name)
            say(f"# The first {name}, in a clone of its own")
            story(folder / name, wanted, say)
        elif chosen.first in wanted:
            say(f"# From here on at {commit_of(folder / name)}, pulled into the same clone")
            story(folder / name, wanted[wanted.index(chosen.first) :], say)
    files.write_atomic(LOG, "\n".join(log) + "\n")


if __name__ == "__main__":
    main()
