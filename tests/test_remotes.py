"""docs/sharing.md, done as it stands there: with a directory, S3, and a machine without drivers."""

import importlib.util
import re
import shutil
import socket

import pytest

from tests import remotes

MISSING = [name for name in ("dvc_s3", "moto", "flask") if not importlib.util.find_spec(name)]
LIBRARIES = pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")


def nothing(text: str) -> None:
    """Say nothing."""


@pytest.mark.slow
@LIBRARIES
def test_s3(finished, tmp_path, monkeypatch):
    remotes.story(finished, tmp_path, monkeypatch, nothing)


@pytest.mark.slow
@LIBRARIES
def test_the_server_refuses_what_breaks_off_at_any_byte(tmp_path, monkeypatch):
    """As S3 does; or the cut line would leave objects there that are not whole."""
    remotes.environment(monkeypatch, tmp_path)
    head = f"PUT /{remotes.BUCKET}/cut HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 10"
    request = f"{head}\r\nx-amz-acl: private\r\n\r\n0123456789".encode()
    with remotes.s3_server(tmp_path / "server.log") as (port, bucket):
        for count in range(1, len(request)):
            with socket.create_connection(("127.0.0.1", port)) as line:
                line.sendall(request[:count])
                line.shutdown(socket.SHUT_WR)
                answer = line.recv(4096)
            assert not re.match(rb"HTTP/\S+ 2", answer), request[:count]
        assert bucket() == {}


@pytest.mark.slow
def test_a_directory(finished, tmp_path):
    """Half of it drops out for the first push and the first pull."""
    there, here = remotes.blocks("A directory")
    project = finished.copy(tmp_path / "project")
    total, store = remotes.stored(project), tmp_path / "store"
    half = [store / "files" / "md5" / f"{number:02x}" for number in range(128, 256)]
    for command in there[:-1]:
        remotes.run(nothing, project, command, DIRECTORY=str(store))
    half[0].parent.mkdir(parents=True)
    for folder in half:
        folder.symlink_to("nowhere")  # no folder can be made there, by root neither
    remotes.run(nothing, project, there[-1], fails=True)
    for folder in half:
        folder.unlink()
    arrived = remotes.whole(remotes.files(store))
    assert 0 < arrived < total
    assert "22 results intact, 0 damaged" in remotes.run(nothing, project, "simclr verify")
    assert f"{total - arrived} files pushed" in remotes.run(nothing, project, there[-1])
    assert remotes.whole(remotes.files(store)) == total

    clone, aside = project.clone(tmp_path / "clone"), tmp_path / "aside"
    aside.mkdir()
    # Without a list of files (.dir) DVC asks for none of them, so that nothing might arrive.
    gone = [folder for folder in half if folder.exists() and not any(folder.glob("*.dir"))]
    for folder in gone:
        folder.rename(aside / folder.name)
    remotes.run(nothing, clone, here[0], fails=True)
    assert 0 < remotes.stored(clone) < total
    assert "0 damaged" in remotes.run(nothing, clone, "simclr verify")
    for folder in gone:
        (aside / folder.name).rename(folder)
    for command in here:
        remotes.run(nothing, clone, command)
    assert clone.executed() == [] and clone.git("status", "--short").stdout == ""
    assert clone.contents() == finished.contents()
    assert clone.published() == finished.published()

    metrics = project.clone(tmp_path / "metrics")
    for command in remotes.blocks("The metrics alone")[0]:
        said = remotes.run(nothing, metrics, command)
    assert "Not recorded for DVC, since 9 results are not here (prepare, pretrain)" in said
    assert {line.split()[0] for line in metrics.executed()} == {"figures"}
    assert metrics.published() == finished.published()
    assert metrics.git("status", "--short").stdout == ""


@pytest.mark.slow
def test_a_machine_without_the_drivers(finished, tmp_path):
    """test_bring.py has the rest of it, refusals above all."""
    (there,), (bring, *draw) = remotes.blocks("A machine without Snakemake and DVC")
    elsewhere = finished.copy(tmp_path / "elsewhere")
    for path in list((elsewhere.store / "pretrain").iterdir())[:2]:
        shutil.rmtree(path)
    remotes.run(nothing, elsewhere, there, SCALE="mini")
    computed = elsewhere.executed(since=len(finished.executed()))
    assert [line.split()[0] for line in computed] == ["pretrain", "pretrain"]

    home = finished.clone(tmp_path / "home")
    said = remotes.run(nothing, home, bring, SCALE="mini", FOLDER=str(elsewhere.store))
    assert said.startswith("22 results brought in")
    for command in draw:
        remotes.run(nothing, home, command)
    assert home.executed() == [] and home.contents() == finished.contents()
    assert home.published() == finished.published()


def test_every_block_of_the_page_is_run():
    """Here or by the story; one that is added must be, too."""
    found = re.findall(r"^## (.*)$", remotes.PAGE, re.MULTILINE)
    assert {title: len(remotes.blocks(title)) for title in found} == {
        "A directory": 2,
        "S3": 2,
        "The metrics alone": 1,
        "A scale in parts": 3,  # by test_parts.py
        "A machine without Snakemake and DVC": 2,
        "A crate, to be deposited": 3,  # by test_crate.py
    }


def test_the_log_is_of_these_commands():
    log = remotes.LOG.read_text()
    for block in (*remotes.blocks("S3"), *remotes.blocks("The metrics alone")):
        for command in block:
            said = remotes.filled(command, remotes.named("http://127.0.0.1:PORT"))
            assert f"$ {said}\n" in log
    assert log.count("[exit status 255]") == 2 and log.count("$ dvc push\n") == 2
    assert not re.search(r"/(work|tmp|home|root|usr)/", log)
