"""What the code may not do, read from its syntax trees: pickles, eval, shells of names."""

import ast
import re
import subprocess

from tests import audit
from tests.project import ROOT

LISTED = ["git", "ls-files", "*.py"]
CODE = sorted(
    ROOT / name
    for name in subprocess.run(LISTED, cwd=ROOT, capture_output=True, text=True).stdout.splitlines()
    if (ROOT / name).exists()
) or sorted(ROOT.glob("[a-z]*/**/*.py"))  # where there is no Git
RULES = [ROOT / "Snakefile", *sorted((ROOT / "workflow" / "rules").glob("*.smk"))]
MODULES = {"pickle", "cPickle", "dill", "joblib", "cloudpickle", "marshal", "shelve", "pty"}
CALLS = {"eval", "exec", "compile", "os.system", "os.popen", "pandas.read_pickle", "pd.read_pickle"}
CALLS |= {"yaml.load", "yaml.unsafe_load", "yaml.full_load", "torch.jit.load", "mktemp"}
CALLS |= {"subprocess.getoutput", "subprocess.getstatusoutput", "tempfile.mktemp"}
# A writer of TorchScript reads its own file back, to compare it.
ALLOWED = {"workflow/publishing/encoder_formats.py: torch.jit.load"}
# An option that makes a call unsafe -> its only safe value; torch.load must have its own.
OPTIONS = {"shell": False, "allow_pickle": False, "weights_only": True}


def problems(code: str) -> list[str]:
    """What a module does of that which it may not, with its line."""
    found = []
    for node in ast.walk(ast.parse(code)):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name.split(".")[0] for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [(node.module or "").split(".")[0]]
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            given = {one.arg: getattr(one.value, "value", None) for one in node.keywords}
            unsafe = any(given[name] != OPTIONS[name] for name in OPTIONS.keys() & given.keys())
            if (
                called in CALLS
                or unsafe
                or (called == "torch.load" and "weights_only" not in given)
            ):
                found.append(f"{node.lineno}: {called}")
        found += [f"{node.lineno}: import {name}" for name in names if name in MODULES]
    return found


def test_no_pickle_no_eval_no_shell():
    names = {str(file.relative_to(ROOT)) for file in CODE}
    assert {"simclr/losses.py", "workflow/cli.py", "hubconf.py"} <= names and len(names) > 100
    found = [(file, *one.split(": ")) for file in CODE for one in problems(file.read_text())]
    assert {f"{file.relative_to(ROOT)}: {what}" for file, _, what in found} == ALLOWED, found


def test_it_would_be_seen():
    for code in (
        "import pickle",
        "from pickle import loads",
        "eval(text)",
        "os.system('ls ' + name)",
        "subprocess.run(f'ls {name}', shell=True)",
        "subprocess.run(text, shell=chosen)",
        "torch.load(path)",
        "torch.jit.load(path)",
        "torch.load(path, weights_only=False)",
        "np.load(path, allow_pickle=True)",
        "yaml.load(text)",
    ):
        assert problems(code), code


def test_rules_quote_every_name():
    """In a shell command of Snakemake, `:q` makes one word of a value, whatever is in it."""
    for file in RULES:
        shells = re.findall(r"shell:\n\s+logged\(([^)]*)\)\n", file.read_text())
        assert len(shells) == file.read_text().count("shell:"), file
        text = "".join(shells)
        if "def logged" in file.read_text():
            text += re.search(r"def logged(.+?)return", file.read_text(), re.DOTALL)[1]
        text = text.replace("{{", "").replace("}}", "")  # braces of the shell
        for value in re.findall(r"{([^}]*)}", text):
            quoted = value.endswith(":q") or value == "params.ranks"  # the latter is a number
            assert quoted, f"{file}: {value}"


# -- known vulnerabilities ------------------------------------------------------------------------


def test_an_audit_fails_only_for_a_vulnerability():
    clean = {"name": "one", "version": "1", "vulns": []}
    unknown = {"name": "two", "skip_reason": "not found"}
    bad = {"name": "six", "version": "2", "vulns": [{"id": "CVE-1", "fix_versions": ["3"]}]}
    said, status = audit.summary([clean, unknown])
    assert not status and "1 of 2 locked versions" in said and "two" in said
    said, status = audit.summary([clean, bad])
    assert status and "six 2: CVE-1 (fixed in 3)" in said
    said, status = audit.summary([unknown])
    assert not status and said.startswith("Not audited")
