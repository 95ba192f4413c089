"""Results shared over S3, with a line that breaks: a real server, real DVC, both drivers.

python -m tests.remotes        # two or three minutes; writes docs/logs/s3.txt

The server is moto's (tests/s3_server.py), a process of its own on loopback. Between it and DVC
stands a small TCP proxy (`Line`) that can be cut after so many bytes. `story` is what the test
runs, too: the commands of docs/sharing.md; every step is checked, and the log has what they said.
"""

import argparse
import contextlib
import datetime
import hashlib
import importlib.metadata
import os
import re
import shlex
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from simclr.files import read_text
from simclr.store.provenance import hardware
from tests.project import BIN, ROOT, Project

PAGE = read_text(ROOT / "docs" / "sharing.md")
LOG = ROOT / "docs" / "logs" / "s3.txt"
BUCKET, ACCESS, SECRET = "results", "someone", "something"
HALF = 400_000  # bytes: the results of the minute scale are about 800 kB


@contextlib.contextmanager
def s3_server(log: Path):
    """Run an S3 server with one bucket; yields its port, and a function that returns its objects.

    What it says goes to `log`.
    """
    import boto3

    command = [sys.executable, "-m", "tests.s3_server"]
    with open(log, "w", encoding="utf-8") as file:
        process = subprocess.Popen(command, cwd=ROOT, stdout=file, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + 60
        while not (found := re.search(r"Running on http://127\.0\.0\.1:(\d+)", read_text(log))):
            assert process.poll() is None and time.monotonic() < deadline, read_text(log)
            time.sleep(0.05)
        client = boto3.client(
            "s3",
            region_name="us-east-1",
            endpoint_url=f"http://127.0.0.1:{found[1]}",
            aws_access_key_id=ACCESS,
            aws_secret_access_key=SECRET,
        )
        client.create_bucket(Bucket=BUCKET)

        def objects() -> dict[str, bytes]:
            """Name -> content, past the line."""
            listed = client.list_objects_v2(Bucket=BUCKET).get("Contents", [])
            bodies = {o["Key"]: client.get_object(Bucket=BUCKET, Key=o["Key"]) for o in listed}
            return {name: body["Body"].read() for name, body in bodies.items()}

        yield int(found[1]), objects
    finally:
        process.terminate()
        process.wait()


class Line:
    """A TCP line to a port on loopback; it can be cut after so many bytes, and mended."""

    def __init__(self, server: int):
        self.server, self.limit, self.passed = server, None, 0
        self.ends, self.lock = set(), threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut_after(self, count: int) -> None:
        """Let `count` more bytes pass, of both directions, then hang up on everybody."""
        self.passed, self.limit = 0, count

    def mend(self) -> None:
        self.limit = None

    def is_cut(self) -> bool:
        return self.limit is not None and self.passed >= self.limit

    def _accept(self):
        while True:
            near, _ = self.listener.accept()
            if self.is_cut():
                near.close()
                continue
            far = socket.create_connection(("127.0.0.1", self.server))
            with self.lock:
                self.ends |= {near, far}
            for ends in ((near, far), (far, near)):
                threading.Thread(target=self._pass_on, args=ends, daemon=True).start()

    def _pass_on(self, source, target):
        with contextlib.suppress(OSError):
            while data := source.recv(4096):
                with self.lock:
                    if self.limit is not None:
                        data = data[: max(0, self.limit - self.passed)]
                    self.passed += len(data)
                target.sendall(data)
                if self.is_cut():
                    break
        with self.lock:
            for end in list(self.ends) if self.is_cut() else [source, target]:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
                self.ends.discard(end)


def blocks(title: str) -> list[list[str]]:
    """The commands of each block in a section of the page."""
    section = PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]
    return [text.splitlines() for text in re.findall(r"```sh\n(.*?)```", section, re.DOTALL)]


def named(url: str) -> dict[str, str]:
    """What stands for the names in capitals in the page's commands for S3."""
    return {"BUCKET": BUCKET, "URL": url, "KEY": ACCESS, "SECRET": SECRET}


def filled(command: str, names: dict[str, str]) -> str:
    """The command with values for its names in capitals."""
    for name, value in names.items():
        command = command.replace(name, value)
    return command


def environment(patch: pytest.MonkeyPatch, root: Path) -> None:
    """Nobody's own credentials or proxies, and one attempt, so that a cut line fails at once."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        patch.delenv(name)
    (root / "aws").touch()
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        patch.setenv(name, str(root / "aws"))
    patch.setenv("AWS_MAX_ATTEMPTS", "1")
    patch.setenv("NO_PROXY", "127.0.0.1")


def run(say, project: Project, command: str, fails: bool = False, **names: str) -> str:
    """Run a command as the page has it, say it and what it printed; returns that."""
    command = filled(command, names)
    words = shlex.split(command)
    programs = {
        "simclr": [sys.executable, "-m", "workflow"],
        "python": [sys.executable],
        "git": ["git", "-c", "user.name=test", "-c", "user.email=test@example.org"],
    }
    program = programs.get(words[0], [BIN / words[0]])
    done = project._run([*program, *words[1:]], check=False)
    lines = [line for line in done.stdout.splitlines() if line.strip()]
    broken = [line for line in lines if "failed to transfer" in line]
    lines = [line for line in lines if line not in broken]
    if broken:
        lines.insert(0, f"{broken[0]}  [and so on: {len(broken)} lines]")
    say("\n".join([f"{project.path.name}$ {command}", *lines, f"[exit status {done.returncode}]"]))
    assert (done.returncode != 0) == fails, done.stdout
    return done.stdout


def files(folder: Path) -> dict[str, bytes]:
    """The objects in a remote that is a directory, or in DVC's cache: name -> content."""
    found = (path for path in sorted((folder / "files").rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def whole(objects: dict[str, bytes]) -> int:
    """How many objects there are; each must be whole: its name is the MD5 of its content."""
    for name, content in objects.items():
        digest = "".join(name.split("/")[-2:]).removesuffix(".dir")
        assert hashlib.md5(content).hexdigest() == digest, f"{name} is cut short"
    return len(objects)


def stored(project: Project) -> int:
    """How many objects DVC's cache has, all of them whole."""
    return whole(files(project.path / ".dvc" / "cache"))


def broken_off(say, line: Line, project: Project, command: str, count, total: int) -> int:
    """Cut the line while the command runs, which must fail; returns how many of `total` objects
    have arrived, some and not all, by `count()`, which checks that each is whole."""
    line.cut_after(HALF)
    run(say, project, command, fails=True)
    assert line.is_cut()
    arrived = count()
    assert 0 < arrived < total
    say(f"# {arrived} of {total} objects have arrived, each of them whole")
    return arrived


def story(finished: Project, root: Path, patch: pytest.MonkeyPatch, say) -> None:
    """Push and pull over a line that breaks; raises AssertionError where anything is lost."""
    environment(patch, root)
    with s3_server(root / "server.log") as (port, bucket):
        line = Line(port)
        project = finished.copy(root / "project")
        total = stored(project)
        say(f"# {len(finished.executed())} results of snakemake's, {total} objects for DVC")
        (*there, push, status), here = blocks("S3")
        for command in there:
            run(say, project, command, **named(f"http://127.0.0.1:{line.port}"))
        assert SECRET not in project.git("show").stdout

        say("# the line is cut in the middle of the push")
        arrived = broken_off(say, line, project, push, lambda: whole(bucket()), total)
        assert "22 results intact, 0 damaged" in run(say, project, "simclr verify")
        assert "up to date" in run(say, project, "dvc status")
        line.mend()
        say("# the same again, with a line that holds")
        assert f"{total - arrived} files pushed" in run(say, project, push)
        assert "in sync" in run(say, project, status)
        assert whole(bucket()) == total

        say("# a clone; credentials by the environment; the line is cut in the middle of the pull")
        patch.setenv("AWS_ACCESS_KEY_ID", ACCESS)
        patch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        clone = project.clone(root / "clone")
        broken_off(say, line, clone, here[0], lambda: stored(clone), total)
        assert "0 damaged" in run(say, clone, "simclr verify")
        assert " to compute" in run(say, clone, "simclr plan")
        line.mend()
        say("# the same again, with a line that holds: neither driver has anything to compute")
        said = [run(say, clone, command) for command in here]
        assert "nothing to compute" in said[1] and "up to date" in said[2]
        assert "22 results intact, 0 damaged" in run(say, clone, "simclr verify")
        assert clone.executed() == [] and clone.git("status", "--short").stdout == ""
        assert clone.contents() == finished.contents()
        assert clone.published() == finished.published()
        say(f"# all {len(clone.contents())} outputs and all pages have the bytes of the first")

        say("# another clone, for which the metrics are enough")
        metrics = project.clone(root / "metrics")
        for command in blocks("The metrics alone")[0]:
            run(say, metrics, command)
        assert {one.split()[0] for one in metrics.executed()} == {"figures"}
        assert metrics.published() == finished.published()
        assert metrics.git("status", "--short").stdout == ""
        say("# every page has the bytes of the first")


def main() -> int:
    argparse.ArgumentParser(description=__doc__.split("\n")[0]).parse_args()
    told = []

    def say(text):
        text = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:PORT", text.replace(folder, ""))
        told.append(text.replace(str(BIN), ""))
        print(told[-1], flush=True)

    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        versions = [
            f"{name} {importlib.metadata.version(name)}" for name in ("dvc", "dvc-s3", "moto")
        ]
        say(f"# python -m tests.remotes, {datetime.date.today()}, {', '.join(versions)}")
        say(f"# {hardware()}, {os.cpu_count()} cores")
        say("# AWS_MAX_ATTEMPTS=1: no transfer is tried a second time by itself")
        finished = Project.create(Path(folder) / "finished")
        finished.snakemake()
        finished.commit()
        story(finished, Path(folder), patch, say)
    LOG.parent.mkdir(exist_ok=True)
    LOG.write_text("\n".join(told) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
