"""Would the tests notice? Forty mistakes in the core, made one at a time.

python -m tests.mutants            # about ten minutes; prints each, and the share that is caught

A mutant is one replacement in one file; it is caught if a test of the files named beside it fails.
How lines are broken and indented does not matter to where it applies; a test lists the mutants that
no longer do. This works on a copy. What survives is listed. Exit status 1 where it is more than one
in ten.
"""

import ast
import re
import sys
import tempfile
from pathlib import Path

from tests import evidence
from tests.project import Project

LOSS, OTHER = "tests/test_losses.py", "tests/test_other_losses.py"
OPTIM, VIEWS, LOOP = "tests/test_optim.py", "tests/test_views.py", "tests/test_pretrain.py"
KEYS, RANKS = "tests/test_keys.py", "tests/test_ranks.py"
# (file below simclr/, without .py; old text, which must stand there once; new text; tests)
MUTANTS = [
    # NT-Xent
    ("losses", "(place + n) % (2 * n)", "place % (2 * n)", LOSS),
    ("losses", ".div_(temperature)", ".mul_(temperature)", LOSS),
    ("losses", "    logits.scatter_(1, place[:, None], -torch.inf)", "    pass", LOSS),
    ("losses", "return loss / (2 * n)", "return loss / n", LOSS),
    ("losses", "100 * hits / n, entropy / n\n", "100 * hits / n, entropy / (2 * n)\n", LOSS),
    ("losses", "share + 1e-8", "share + 1e-2", LOSS),
    ("losses", "logits.detach()[:of_a, n:]", "logits.detach()[:of_a, :n]", LOSS),
    ("losses", "max(0, len(a) - start)", "len(a)", LOSS),
    ("losses", "b = F.normalize(a, dim=1), F.normalize(b, dim=1)", "b = F.normalize(a), b", LOSS),
    ("losses", "rows = max(1, LOGITS // (2 * n))", "rows = max(1, LOGITS // n)", LOSS),
    # the other losses
    ("other_losses", "similarity - positive + settings.margin", "similarity", OTHER),
    ("other_losses", "kept &= similarity < positive", "kept &= similarity <= positive", OTHER),
    ("other_losses", "argmax(1, keepdim=True)", "argmin(1, keepdim=True)", OTHER),
    ("other_losses", "kept.sum(1).clamp(min=1)", "len(kept[0])", OTHER),
    ("other_losses", "return total / (2 * count)", "return total / count", OTHER),
    ("other_losses", "((a, b), (b, a))", "((a, b), (a, b))", OTHER),
    # LARS, SGD and the schedule
    ("optim", "TRUST = 0.001", "TRUST = 0.01", OPTIM),
    ("optim", "momenta.mul_(self.momentum)", "momenta.mul_(1.0)", OPTIM),
    ("optim", "(sizes > 0) & (slopes > 0)", "sizes > 0", OPTIM),
    ("optim", 'alpha=group["weight_decay"]', 'alpha=2 * group["weight_decay"]', OPTIM),
    ("optim", '1.0) * group["lr"]', "1.0)", OPTIM),
    ("optim", "TRUST * sizes / slopes", "TRUST * slopes / sizes", OPTIM),
    ("optim", "(p, p.ndim > 1) for", "(p, p.ndim > 0) for", OPTIM),
    ("optim", "peak = settings.base_lr * batch_size / 256", "peak = settings.base_lr", OPTIM),
    ("optim", "math.sqrt(batch_size)", "batch_size", OPTIM),
    ("optim", "step / warmup", "(step + 1) / warmup", OPTIM),
    ("optim", "if step < warmup:", "if step <= warmup + 1:", OPTIM),
    ("optim", "images * epochs // batch_size + 1", "images * epochs // batch_size", OPTIM),
    ("optim", 'momenta.add_(gradients, alpha=group["lr"])', "momenta.add_(gradients)", OPTIM),
    # views
    ("views", 'drawn["jitter"] = happens(0.8)', 'drawn["jitter"] = happens(0.5)', VIEWS),
    ("views", 'drawn["gray"] = happens(0.2)', 'drawn["gray"] = happens(0.5)', VIEWS),
    ("views", "uniform(-reach / 4, reach / 4)", "uniform(-reach, reach)", VIEWS),
    ("views", "reach = 0.8 * settings", "reach = 0.4 * settings", VIEWS),
    ("views", "* 1.9 + 0.1", "* 0.9 + 0.1", "tests/test_broad_views.py"),
    ("views", "(chance[k] * (side - size))", "(chance[k] * side)", VIEWS),
    ("views", "(chance[1] * (tallest - shortest + 1))", "(chance[1] * 1)", VIEWS),
    ("views", 'orders[~drawn["jitter"]] = -1', "pass", VIEWS),
    ("views", "return x.clamp_(0, 1)", "return x", VIEWS),
    ("views", "out[1:])\n    else", "out[:1])\n    else", VIEWS),
    # the loop
    ("loop", 'f"{seed} {purpose} {epoch} {step}"', 'f"{seed} {purpose} {step}"', LOOP),
    ("loop", "(step + 1) % chunk == 0 and step + 1 < steps", "step + 1 < steps", LOOP),
    ("loop", "several if one[0] >= start", "several", LOOP),
    ("loop", "        module.train()\n", "        module.eval()\n", LOOP),
    # keys and the plan
    ("keys", "tuple(sorted(set(found)))", "tuple(sorted(set(found)))[:1]", KEYS),
    ("results", "sha256(file) != recorded", "False", "tests/test_faults.py"),
    ("results", "provenance_text(found) != text", "False", "tests/test_faults.py"),
    # several devices
    ("ranks", "all_reduce(F.pad(x, around))", "all_reduce(F.pad(x.detach(), around))", RANKS),
    ("ranks", "(rank() < rest))", "0)", RANKS),
]


def mutated(text: str, old: str, new: str) -> str:
    """The text with `old` replaced, wherever lines are broken in it. Raises ValueError."""
    words = re.findall(r"\w+|[^\w\s]", old)  # before what closes, a broken line has a comma more
    pattern = r"\s*".join(rf",?\s*{re.escape(w)}" if w in ")]}" else re.escape(w) for w in words)
    before, after = r"(?<!\w)" * words[0].isalnum(), r"(?!\w)" * words[-1].isalnum()
    places = list(re.finditer(before + pattern + after, text))
    if len(places) != 1:
        raise ValueError(f"{old!r} stands there {len(places)} times")
    made = text[: places[0].start()] + new.strip() + text[places[0].end() :]
    try:
        same = ast.dump(ast.parse(made)) == ast.dump(ast.parse(text))
    except SyntaxError:
        raise ValueError(f"{new!r} is no Python there") from None
    if same:
        raise ValueError(f"{new!r} changes nothing")
    return made


def problem(root: Path, name: str, old: str, new: str, tests: str) -> str | None:
    """Why an entry of the list does not apply to the tree at `root`; None where it does."""
    for file in (f"simclr/{name}.py", *tests.split()):
        if not (root / file).is_file():
            return f"{name}: no file {file}"
    try:
        mutated((root / "simclr" / f"{name}.py").read_text(), old, new)
    except ValueError as error:
        return f"{name}: {error}"
    return None


def is_caught(project: Project, name: str, old: str, new: str, tests: str) -> bool:
    """Make one mutant in the copy, run its tests, take it back."""
    file = f"simclr/{name}.py"
    text = (project.path / file).read_text()
    project.write(file, mutated(text, old, new))
    pytest = [sys.executable, "-m", "pytest", "-x", "-q", "-o", "addopts=", *tests.split()]
    try:
        done = project._run(pytest, check=False)
    finally:
        project.write(file, text)
    if done.returncode not in (0, 1):
        raise SystemExit(f"{file}: {new!r}: the tests did not run:\n{done.stdout[-2000:]}")
    return done.returncode == 1


def main() -> int:
    arguments = evidence.parser("mutants", __doc__.split("\n")[0]).parse_args()
    survived = []
    with tempfile.TemporaryDirectory() as root:
        project = Project.create(Path(root) / "project")
        if found := [said for entry in MUTANTS if (said := problem(project.path, *entry))]:
            raise SystemExit("\n".join(["mend the list:", *found]))
        for name, old, new, tests in MUTANTS:
            noticed = is_caught(project, name, old, new, tests)
            print(f"{'caught  ' if noticed else 'SURVIVED'} {name}: {old!r} -> {new!r}", flush=True)
            if not noticed:
                survived.append(f"{name}: {old} -> {new}")
    caught = len(MUTANTS) - len(survived)
    found = {"mutants": len(MUTANTS), "caught": caught, "survived": survived}
    evidence.keep(arguments.json, found)
    return 0 if caught >= 0.9 * len(MUTANTS) else 1


if __name__ == "__main__":
    sys.exit(main())
