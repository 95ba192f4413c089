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
    ("losses", "(row_index + n) % (2 * n)", "row_index % (2 * n)", LOSS),
    ("losses", ".div_(temperature)", ".mul_(temperature)", LOSS),
    ("losses", "    logits.scatter_(1, row_index[:, None], -torch.inf)", "    pass", LOSS),
    (
        "losses",
        "return loss / (2 * global_n)",
        "return loss / global_n",
        LOSS,
    ),
    (
        "losses",
        "hits / global_n, entropy / global_n\n\n\ndef _row",
        "hits / global_n, entropy / (2 * global_n)\n\n\ndef _row",
        LOSS,
    ),
    ("losses", "probability + 1e-8", "probability + 1e-2", LOSS),
    ("losses", "logits.detach()[:rows_of_a, n:]", "logits.detach()[:rows_of_a, :n]", LOSS),
    ("losses", "max(0, local_n - start)", "local_n", LOSS),
    ("losses", "b = F.normalize(a, dim=1), F.normalize(b, dim=1)", "b = F.normalize(a), b", LOSS),
    ("losses", "LOGITS // (2 * global_n)", "LOGITS // global_n", LOSS),
    # the other losses
    ("losses", "similarity - positive + settings.margin", "similarity", OTHER),
    ("losses", "mask &= similarity < positive", "mask &= similarity <= positive", OTHER),
    ("losses", "argmax(1, keepdim=True)", "argmin(1, keepdim=True)", OTHER),
    ("losses", "mask.sum(1).clamp(min=1)", "len(mask[0])", OTHER),
    (
        "losses",
        "loss_sum / (2 * global_n), 100 * hits /",
        "loss_sum / global_n, 100 * hits /",
        OTHER,
    ),
    ("losses", "((a, b), (b, a))", "((a, b), (a, b))", OTHER),
    # LARS, SGD and the schedule
    ("training/optim", "TRUST = 0.001", "TRUST = 0.01", OPTIM),
    ("training/optim", "momenta.mul_(self.momentum)", "momenta.mul_(1.0)", OPTIM),
    ("training/optim", "(weight_norms > 0) & (gradient_norms > 0)", "weight_norms > 0", OPTIM),
    ("training/optim", 'alpha=group["weight_decay"]', 'alpha=2 * group["weight_decay"]', OPTIM),
    ("training/optim", 'ratios * group["lr"]', "ratios", OPTIM),
    (
        "training/optim",
        "TRUST * weight_norms / gradient_norms",
        "TRUST * gradient_norms / weight_norms",
        OPTIM,
    ),
    ("training/optim", "p.ndim > 1 else", "p.ndim > 0 else", OPTIM),
    (
        "training/optim",
        "peak = settings.base_lr * batch_size / 256",
        "peak = settings.base_lr",
        OPTIM,
    ),
    ("training/optim", "math.sqrt(batch_size)", "batch_size", OPTIM),
    ("training/optim", "step / warmup", "(step + 1) / warmup", OPTIM),
    ("training/optim", "if step < warmup:", "if step <= warmup + 1:", OPTIM),
    ("training/optim", "images * epochs // batch_size + 1", "images * epochs // batch_size", OPTIM),
    (
        "training/optim",
        'momenta.add_(gradients, alpha=group["lr"])',
        "momenta.add_(gradients)",
        OPTIM,
    ),
    # views
    ("augment/operators", '"jitter": draws.happens(0.8)', '"jitter": draws.happens(0.5)', VIEWS),
    ("augment/operators", '"gray": draws.happens(0.2)', '"gray": draws.happens(0.5)', VIEWS),
    ("augment/operators", "uniform(-reach / 4, reach / 4)", "uniform(-reach, reach)", VIEWS),
    ("augment/operators", "reach = 0.8 * self", "reach = 0.4 * self", VIEWS),
    ("augment/operators", "* 1.9 + 0.1", "* 0.9 + 0.1", "tests/test_broad_views.py"),
    ("augment/crop_boxes", "(chance[k] * (side - size))", "(chance[k] * side)", VIEWS),
    ("augment/crop_boxes", "(chance[1] * (tallest - shortest + 1))", "(chance[1] * 1)", VIEWS),
    ("augment/operators", 'orders[~drawn["jitter"]] = -1', "pass", VIEWS),
    ("augment/pipeline", "return x.clamp_(0, 1)", "return x", VIEWS),
    ("augment/pipeline", "out[1:])\n    else", "out[:1])\n    else", VIEWS),
    # the loop
    ("rng", 'f"{seed} {purpose} {epoch} {step}"', 'f"{seed} {purpose} {step}"', LOOP),
    ("training/loop", "(step + 1) % chunk == 0 and step + 1 < steps", "step + 1 < steps", LOOP),
    ("training/batching", "if step >= start:", "if True:", LOOP),
    ("training/loop", "    model.train()\n", "    model.eval()\n", LOOP),
    # keys and the plan
    ("store/keys", "tuple(sorted(set(names)))", "tuple(sorted(set(names)))[:1]", KEYS),
    ("store/results", "_sha256(file, remedy) != recorded", "False", "tests/test_faults.py"),
    ("store/results", "provenance_text(provenance) != text", "False", "tests/test_faults.py"),
    # several devices
    (
        "distributed",
        "all_reduce(F.pad(x, padding))",
        "all_reduce(F.pad(x.detach(), padding))",
        RANKS,
    ),
    ("distributed", "(rank() < rest))", "0)", RANKS),
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
        mutated((root / "simclr" / f"{name}.py").read_text(encoding="utf-8"), old, new)
    except ValueError as error:
        return f"{name}: {error}"
    return None


def is_caught(project: Project, name: str, old: str, new: str, tests: str) -> bool:
    """Make one mutant in the copy, run its tests, take it back."""
    file = f"simclr/{name}.py"
    text = (project.path / file).read_text(encoding="utf-8")
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
