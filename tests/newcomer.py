"""The README's commands as somebody new would run them, in a fresh clone: what they say, and take.

python -m tests.newcomer        # about an hour; writes docs/logs/newcomer.txt

The commands are read from the README and then from docs/running.md, in their order, but for
`make test`, which comes last.
"""

import argparse
import datetime
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

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
    return sorted(found, key="make test".__eq__)  # the last one; the others stay in their order


def story(clone: Path, say) -> None:
    """Run all in `clone`, as from a shell in which the environment is activated."""
    path = f"{clone / '.venv' / 'bin'}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
    kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    for command in commands():
        say(f"$ {command}")
        options = {"cwd": clone, "env": {**kept, "PATH": path}}
        run(command.split(), lambda line: say(line.replace(str(clone), "CLONE")), **options)


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
    """Return the commit of a clone, in short."""
    git = ("git", "-C", folder, "rev-parse", "--short", "HEAD")
    return subprocess.check_output(git, encoding="utf-8").strip()


def main() -> None:
    """Clone what is committed, run all, write the log."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, help="for the clone (default: a temporary one)")
    folder = parser.parse_args().folder or Path(tempfile.mkdtemp())
    log = []

    def say(line: str) -> None:
        log.append(line)
        print(line, flush=True)

    clone_to(folder / "clone")
    commit = commit_of(folder / "clone")
    say(f"# python -m tests.newcomer, {datetime.date.today()}, a fresh clone of {commit}")
    say(f"# {hardware()}, {len(os.sched_getaffinity(0))} cores, Python {sys.version.split()[0]}")
    story(folder / "clone", say)
    LOG.write_text("\n".join(log) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
