"""The lesson, docs/lesson.ipynb, runs from nothing, and its text holds."""

import ast
import csv
import json
import re

import pytest
from nbformat.v4 import new_code_cell

from simclr.config import build, merge
from simclr.settings.training import Pretrain
from tests.project import ROOT
from workflow.docs import lesson
from workflow.planning.scale import load_scale

# Run in the lesson's kernel after its last cell: what its text says, in numbers.
PROMISES = """
import json
by_hand, by_library = [], []
for temperature in (0.05, 0.25, 1.0):
    by_hand.append(float(nt_xent_by_hand(similarity, temperature)))
    by_library.append(float(losses.nt_xent(*z.chunk(2), temperature)[0]))
whole = build(Pretrain, merge(tiny.base["pretrain"], {"views": {"min_area": 1.0}}))
*whole_networks, whole_curve = train(whole)
print("PROMISED", json.dumps({
    "by_hand": by_hand,
    "by_library": by_library,
    "breaks": not torch.isfinite(nt_xent_by_hand(similarity, 0.01)).item(),
    "begins": curve[0][0],
    "ends": curve[-1][0],
    "chance": chance.item(),
    "accuracies": accuracies,
    "contrastive": {
        "trained": curve[-1][1], "changed": changed_curve[-1][1], "whole": whole_curve[-1][1]
    },
    "whole": linear_evaluation(*whole_networks),
}))
"""


def committed():
    return lesson.read()


def text_of(cell) -> str:
    """What a cell printed or showed, as plain text; pictures are left out."""
    shown = [one.get("text") or one["data"]["text/plain"] for one in cell.get("outputs", [])]
    return "".join(text for text in shown if not text.startswith("<"))


def rows(name: str, setting: str | None = None) -> list[dict]:
    """The rows of a published CSV of `tiny`, those of one setting if it is named."""
    with open(ROOT / "paper_figures" / "tiny" / name) as file:
        return [one for one in csv.DictReader(file) if setting in (None, one.get("setting"))]


def outputs(notebook) -> dict[str, str]:
    return {cell.id: text_of(cell) for cell in notebook.cells if cell.cell_type == "code"}


def test_it_is_committed_as_its_command_writes_it():
    notebook = committed()
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert 25 <= len(notebook.cells) <= 35 and lesson.NOTEBOOK.stat().st_size < 2**20
    assert notebook.metadata == {"kernelspec": lesson.KERNEL}
    assert not any(cell.metadata for cell in notebook.cells)
    kinds = {one.output_type for cell in cells for one in cell.outputs}
    assert kinds == {"stream", "display_data", "execute_result"}
    assert not [cell.id for cell in cells for one in cell.outputs if one.get("name") == "stderr"]
    assert not re.search(r"(?<![\w.])/(?:home|work|tmp|root)/", json.dumps(notebook))


def test_its_links_resolve():
    text = "\n".join(cell.source for cell in committed().cells if cell.cell_type == "markdown")
    targets = re.findall(r"\]\(([^)#]+)[^)]*\)", text)
    assert len(targets) > 4
    for target in targets:
        assert target.startswith("https://") or (ROOT / "docs" / target).exists(), target


def test_each_change_that_it_proposes_is_a_setting():
    (table,) = [cell.source for cell in committed().cells if cell.id == "change"]
    proposed = re.findall(r"^\| `(.+?)` \|", table, re.MULTILINE)
    assert len(proposed) == 6
    base = load_scale("tiny").base["pretrain"]
    for change in proposed:
        changes = ast.literal_eval("{" + change + "}")
        assert build(Pretrain, merge(base, changes)) != build(Pretrain, base), change


def test_what_it_says_of_the_published_claims_is_so():
    """Sections 5 and 6: which effects several seeds show, and which they leave open."""
    verdicts = {}
    for row in rows("claims.csv"):
        verdicts.setdefault(row["id"], set()).add(row["verdict"])
    assert all(verdicts[claim] == {"reproduced"} for claim in ("C01", "C04", "C06", "C15"))
    assert all(verdicts[claim] == {"inconclusive"} for claim in ("C14", "C17", "C23"))
    cold = {(row["n"], row["not_learned"]) for row in rows("table5.summary.csv", "l2-0.05")}
    assert cold == {("5", "5")}, "training gets going at temperature 0.05"


@pytest.mark.slow
def test_it_runs_and_its_text_holds(tmp_path):
    before, notebook = outputs(committed()), committed()
    notebook.cells.append(new_code_cell(PROMISES, id="promises"))
    lesson.execute(notebook, tmp_path)
    after = outputs(notebook)
    found = json.loads(after.pop("promises").partition("PROMISED ")[2])

    # Section 2
    assert found["by_hand"] == pytest.approx(found["by_library"], abs=1e-6) and found["breaks"]
    # Sections 3 and 4: against guessing, 10 %, and features of new weights
    assert found["ends"] < found["chance"] < found["begins"]
    reached = found["accuracies"]
    assert reached["not trained"]["h"] > 30
    assert min(reached["trained"].values()) > max(reached["not trained"].values()) + 20
    # Section 5: an easier task, poorer features
    for easy, features in (("changed", reached["changed"]), ("whole", found["whole"])):
        assert found["contrastive"][easy] > 5 * found["contrastive"]["trained"]
        assert max(features.values()) < min(reached["trained"].values()) - 15
    assert found["contrastive"]["changed"] > 50  # most views
    assert max(reached["changed"].values()) < reached["not trained"]["h"] + 10  # hardly better
    # Section 6: the published run of this seed, and what it has beside it
    assert after["claims"] == before["claims"], "run `python -m workflow.docs.lesson`"
    if after["machine"] == before["machine"]:
        assert after == before, "run `python -m workflow.docs.lesson`"
        seed = [one for one in rows("fig8.csv", "nonlinear-32") if one["seed"] == "0"]
        published = {one["metric"]: float(one["value"]) for one in seed}
        assert reached["trained"] == {kind: published[f"linear_{kind}"] for kind in "hz"}
