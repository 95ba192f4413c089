"""The README's commands on a bare machine: in a new root with a minimal Debian, by chroot.

python -m tests.bare            # as root, with mmdebstrap; writes docs/logs/bare.txt
python -m tests.bare --whole    # then also `make`, which computes everything, in a second clone

The root has what PACKAGES names and what these need, no more. pip gets this machine's settings,
as variables; the files and folders that they name stand in the root at the same places, mounted
to be read only, as long as a command runs. The log names no host and no place of this machine.
"""

import argparse
import ast
import datetime
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from simclr.files import write_atomic
from simclr.store.provenance import hardware
from tests import newcomer
from tests.project import ROOT

LOG = ROOT / "docs" / "logs" / "bare.txt"
SUITE = "bookworm"  # Debian 12, the first with Python 3.11
PACKAGES = ("python3", "python3-venv", "make", "git", "ca-certificates")
NETWORK = ("/etc/resolv.conf", "/etc/hosts")
# Of a shell with a mount namespace of its own: ROOT FOLDER FILE... -- COMMAND...
ENTER = """set -e
root=$1 folder=$2; shift 2
mount --rbind /dev "$root/dev"; mount -t proc proc "$root/proc"
while test "$1" != --; do mount -o bind,ro "$1" "$root$1"; shift; done; shift
exec chroot "$root" env --chdir="$folder" "$@"
"""


def commands() -> list[str]:
    """The README's commands before `make`, which does the same by computing."""
    return newcomer.chapters()["minute"]


def settings_of_pip(listed: str, environment: dict[str, str]) -> dict[str, str]:
    """Return as variables what `pip config list` printed, and the environment's own over it."""
    found = re.findall(r"^(?:global|install)\.([\w-]+)=(.+)$", listed, re.MULTILINE)
    settings = {
        f"PIP_{name.upper().replace('-', '_')}": " ".join(ast.literal_eval(value).split())
        for name, value in found
    }
    return settings | {k: v for k, v in environment.items() if k.startswith("PIP_")}


def places_in(settings: dict[str, str]) -> list[Path]:
    """The files and folders of this machine that settings name, each once.

    Of an index in a folder, the folder around it: its pages link to files beside it.
    """
    words = " ".join(settings.values()).split()
    urls = [Path(urlsplit(word).path).parent for word in words if word.startswith("file:")]
    paths = dict.fromkeys([*urls, *map(Path, words)])
    return [path for path in paths if path.is_absolute() and path.exists()]


def anonymous(line: str, settings: dict[str, str]) -> str:
    """Return a line without addresses, and without the places and hosts that settings name."""
    line = newcomer.without_addresses(line)
    hosts = [urlsplit(word).hostname for word in " ".join(settings.values()).split()]
    words = [*map(str, places_in(settings)), *filter(None, hosts)]
    for word in sorted(words, key=len, reverse=True):
        line = line.replace(word, "PLACE")
    return line


class Root:
    """A folder with a Debian in it, and what is mounted there while a command runs."""

    def __init__(self, folder: Path, settings: dict[str, str]):
        self.folder = folder
        self.settings = settings  # of pip, as variables
        self.places = [*filter(Path.exists, map(Path, NETWORK)), *places_in(settings)]

    def build(self) -> None:
        """Install the Debian, and make a file or folder for each place that is mounted."""
        packages = f"--include={','.join(PACKAGES)}"
        debian = ["mmdebstrap", "--quiet", "--variant=minbase", packages, SUITE, str(self.folder)]
        subprocess.run(debian, check=True)
        for place in self.places:
            target = self.inside(place)
            if place.is_dir():
                target.mkdir(parents=True, exist_ok=True)
            else:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.touch()

    def inside(self, path: Path) -> Path:
        """Where a path of the root is, seen from this machine."""
        return self.folder / path.relative_to("/")

    def command(self, folder: str, words: list[str]) -> list[str]:
        """Return what runs a command in a folder of the root."""
        enter = ["unshare", "--mount", "sh", "-c", ENTER, "sh", str(self.folder), folder]
        return [*enter, *map(str, self.places), "--", *words]

    def environment(self, folder: str) -> dict[str, str]:
        """Return the variables of a shell in which the clone's environment is activated."""
        path = f"{folder}/.venv/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
        proxies = {k: v for k, v in os.environ.items() if k.lower().endswith("_proxy")}
        return {"HOME": "/root", "LANG": "C.UTF-8", "PATH": path, **proxies, **self.settings}

    def ask(self, *words: str) -> str:
        """Return what a command in the root prints."""
        options = {"env": self.environment("/"), "text": True}
        return subprocess.check_output(self.command("/", list(words)), **options).strip()

    def story(self, name: str, wanted: list[str], say) -> bool:
        """Run commands in a fresh clone at /NAME, until one fails. Returns whether none did."""
        newcomer.clone_to(self.inside(Path("/", name)))
        env = self.environment(f"/{name}")

        def tell(line: str) -> None:
            say(anonymous(line, self.settings).replace(f"/{name}", "CLONE"))

        for command in wanted:
            say(f"$ {command}")
            if newcomer.run(self.command(f"/{name}", command.split()), tell, env=env):
                return False
        return True


def main() -> None:
    """Build the root, run all in it, write the log, remove the root."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--whole", action="store_true", help="then also `make`, in a second clone")
    is_whole = parser.parse_args().whole
    if os.geteuid() or not shutil.which("mmdebstrap"):
        sys.exit("error: this needs root's rights and mmdebstrap (`apt-get install mmdebstrap`).")
    log = []

    def say(line: str) -> None:
        log.append(line)
        print(line, flush=True)

    with tempfile.TemporaryDirectory() as folder:
        load = os.getloadavg()[1]
        pip = [sys.executable, "-m", "pip", "config", "list"]
        listed = subprocess.check_output(pip, encoding="utf-8")
        root = Root(Path(folder) / "root", settings_of_pip(listed, dict(os.environ)))
        root.build()
        debian = root.inside(Path("/etc/debian_version")).read_text(encoding="utf-8").strip()
        commit = newcomer.commit_of(ROOT)
        say(f"# python -m tests.bare, {datetime.date.today()}, a fresh clone of {commit}")
        cores = len(os.sched_getaffinity(0))
        say(f"# {hardware()}, {cores} cores, load {load:.1f} before; in a new root:")
        say(f"# Debian {debian}, {root.ask('python3', '-V')}, {', '.join(PACKAGES[1:])}")
        finished = root.story("clone", commands(), say)
        if finished and is_whole:
            finished = root.story("whole", ["make"], say)
        used = subprocess.check_output(["du", "--summarize", "-BG", root.folder], encoding="utf-8")
        say(f"[the root takes {used.split('G')[0]} GB]")
    write_atomic(LOG, "\n".join(log) + "\n")
    sys.exit(0 if finished else 1)


if __name__ == "__main__":
    main()
