"""What machines differ in: locale, umask, disks, file systems without locks, other Pythons."""

import ast
import re

from tests.project import ROOT

SOURCES = [file for top in ("simclr", "workflow") for file in (ROOT / top).rglob("*.py")]


def in_the_locales_encoding(source: str) -> list[str]:
    """The calls that read or write text and name no encoding."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            name, call = ast.unparse(node.func), ast.unparse(node)
            words = {word.arg for word in node.keywords}
            text = re.fullmatch(r"open|os\.fdopen|(?!files\.).*\.(read|write)_text", name)
            binary = re.search(r"'(\w|r\+)b'", call)
            if ((text and not binary) or "text" in words) and "encoding" not in words:
                found.append(call)
    return found


def test_no_text_is_in_the_encoding_of_the_locale():
    assert not [
        f"{file.relative_to(ROOT)}: {call}"
        for file in SOURCES
        for call in in_the_locales_encoding(file.read_text())
    ]
    bad = ("open(a)", "open(a, 'r')", "a.b.read_text()", "subprocess.run(a, text=True)")
    assert all(in_the_locales_encoding(call) for call in bad)
