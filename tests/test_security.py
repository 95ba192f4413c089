"""What the code may not do, read from its syntax trees: pickles, eval, shells of names."""

import ast
import re
import subprocess

import pytest

from tests import audit
from tests.project import ROOT

CODE = sorted(
    ROOT / name
    for name in subprocess.run(
        [
            "git",
            "ls-files",
            "simclr",
            "workflow",
            "benchmarks",
            "tests",
            "data",
            "docs",
            "hubconf.py",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
    ).stdout.splitlines()
    if name.endswith(".py")
) or sorted(ROOT.glob("[a-z]*/**/*.py"))  # where there is no Git
RULES = [ROOT / "Snakefile", *sorted((ROOT / "workflow" / "rules").glob("*.smk"))]
MODULES = {"pickle", "cPickle", "dill", "joblib", "cloudpickle", "marshal", "shelve", "pty"}
CALLS = {"eval", "exec", "compile", "os.system", "os.popen", "pandas.read_pickle", "pd.read_pickle"}
CALLS |= {"yaml.load", "yaml.unsafe_load", "yaml.full_load", "torch.jit.load", "mktemp"}
CALLS |= {"subprocess.getoutput", "subprocess.getstatusoutput", "tempfile.mktemp"}
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


@pytest.mark.parametrize("file", CODE, ids=lambda file: str(file.relative_to(ROOT)))
def test_no_pickle_no_eval_no_shell(file):
    assert not problems(file.read_text())


@pytest.mark.parametrize(
    "code",
    [
        "import pickle",
        "from pickle import loads",
        "eval(text)",
        "os.system('ls ' + name)",
        "subprocess.run(f'ls {name}', shell=True)",
        "subprocess.run(text, shell=chosen)",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "np.load(path, allow_pickle=True)",
        "yaml.load(text)",
    ],
)
def test_it_would_be_seen(code):
    assert problems(code)


def test_there_is_code_to_look_at():
    names = {str(file.relative_to(ROOT)) for file in CODE}
    assert {
        "simclr/training/loop.py",
        "workflow/planning/planner.py",
        "hubconf.py",
    } <= names and len(names) > 100


@pytest.mark.parametrize("file", RULES, ids=lambda file: file.name)
def test_rules_quote_every_name(file):
    """In a shell command of Snakemake, `:q` makes one word of a value, whatever is in it."""
    blocks = re.findall(r"shell:\n((?:\s+\".*\"\n)+)", file.read_text())
    assert len(blocks) == file.read_text().count("shell:")
    for value in re.findall(r"{([^}]*)}", "".join(blocks)):
        assert value.endswith(":q") or value == "params.ranks", value  # the latter is a number


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
