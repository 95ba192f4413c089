"""tests/bare.py: what enters the root of a bare machine, and what its log says."""

import re
import subprocess
from pathlib import Path

import pytest

from simclr import files
from tests import bare

LISTED = """\
global.cert='/etc/hostname'
global.extra-index-url='file:///usr/share/simple\\nhttps://user:word@index.example/simple'
install.no-compile='true'
:env:.timeout='9'
"""
SETTINGS = bare.settings_of_pip(LISTED, {"PIP_TIMEOUT": "9", "PIPELINE": "no", "HOME": "/root"})


def test_pip_gets_this_machine_s_settings_and_the_places_they_name():
    assert SETTINGS == {
        "PIP_CERT": "/etc/hostname",
        "PIP_EXTRA_INDEX_URL": "file:///usr/share/simple https://user:word@index.example/simple",
        "PIP_NO_COMPILE": "true",
        "PIP_TIMEOUT": "9",
    }
    assert bare.places_in(SETTINGS) == [Path("/usr/share"), Path("/etc/hostname")]


def test_the_log_names_no_host_and_no_place():
    said = "no 'https://user:word@index.example/simple', host index.example, /usr/share/a.whl"
    assert bare.anonymous(said, SETTINGS) == "no 'ADDRESS', host PLACE, PLACE/a.whl"


def can_mount() -> bool:
    return not subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode


@pytest.mark.skipif(not can_mount(), reason="no mount namespaces here")
def test_what_is_mounted_is_read_only_and_gone_after_the_command(tmp_path):
    """In the root of this machine, which takes no installation."""
    file = tmp_path / "settings"
    file.write_text("one")
    root = bare.Root(Path("/"), {"PIP_CONFIG_FILE": str(file)})
    words = ["sh", "-c", "pwd; cat settings; echo two > settings"]
    done = subprocess.run(root.command(str(tmp_path), words), capture_output=True, text=True)
    assert done.stdout.splitlines() == [str(tmp_path), "one"]
    assert "Read-only" in done.stderr and done.returncode
    file.write_text("two")  # outside nothing is mounted


def test_in_the_committed_log_each_command_of_the_readme_works():
    log = files.read_text(bare.LOG)
    assert re.findall(r"^\$ (.+)$", log, re.MULTILINE)[: len(bare.commands())] == bare.commands()
    statuses = re.findall(r"^\[exit status (\S+),", log, re.MULTILINE)
    assert statuses == ["0"] * log.count("\n$ ") and len(statuses) >= 3
    page = files.read_text(bare.ROOT / "docs" / "running.md")
    shown = [line for line in page.splitlines() if line.startswith("* On a bare Debian")]
    for measured in re.findall(r"\d+ min \d+ s|\d+ GB|\d{4}-\d\d-\d\d", log):
        assert len(shown) == 1 and measured in shown[0], measured
    assert not re.search(r"://|/(work|root|home|tmp|opt|srv|mnt)\b", log)
