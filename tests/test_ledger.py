"""The ledger: corrected p, verdicts on claims from those on contrasts, the table over scales."""

import importlib
import re
import shutil

import pytest
import scipy.stats

from simclr.config import ConfigError
from tests import synthetic
from tests.project import ROOT
from workflow.catalog import names
from workflow.figures import stage
from workflow.pages import ledger, overview, rendering, scale_page
from workflow.pages.ledger import read_rows
from workflow.publishing import power


def test_holm_is_the_step_down_method():
    assert ledger.holm([]) == []
    assert ledger.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    values = [0.2, 0.001, 0.04, 0.9, 0.04, 0.0]
    corrected = ledger.holm(values)
    assert all(c >= p for c, p in zip(corrected, values, strict=True)) and max(corrected) <= 1
    # Never more lenient than Benjamini-Hochberg, never stricter than Bonferroni.
    lenient = scipy.stats.false_discovery_control(values)
    for p, c, low in zip(values, corrected, lenient, strict=True):
        assert low <= c + 1e-12 and c <= min(1, len(values) * p) + 1e-12


@pytest.mark.parametrize(
    ("contrasts", "verdict"),
    [
        (["reproduced"], "reproduced"),
        (["reproduced", "not tested"], "reproduced"),
        (["reproduced", "inconclusive"], "inconclusive"),
        (["reproduced", "contradicted"], "mixed"),
        (["reproduced", "contradicted", "inconclusive", "not tested"], "mixed"),
        (["contradicted", "inconclusive"], "contradicted"),
        (["inconclusive"], "inconclusive"),
        (["not tested"], "not tested"),
        ([], "not tested"),
    ],
)
def test_the_verdict_on_a_claim(contrasts, verdict):
    assert ledger.verdict([{"verdict": one} for one in contrasts]) == verdict


def test_the_pages_have_a_mark_for_every_verdict():
    marks = rendering.ENVIRONMENT.get_template("macros.html.j2").module.MARKS
    assert set(ledger.OF_CONTRASTS) < set(marks)
    assert tuple(marks) == ledger.VERDICTS and len(set(marks.values())) == len(marks)


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ({"verdict": "reproduced"}, ""),
        ({"low": ""}, "one seed excludes nothing"),
        ({}, "no effect beyond ±3.2 pp; 9 seeds would decide it"),
        ({"unit": "r", "needed": "inf"}, "beyond ±3.24 r; more than 1,000 seeds would decide it"),
    ],
)
def test_an_open_contrast_says_what_it_excludes_and_what_would_decide_it(values, wanted):
    row = {"verdict": "inconclusive", "low": "-1.5", "high": "3.24", "unit": "pp", "needed": "9"}
    assert ledger.what_is_open({**row, **values}).endswith(wanted)


@pytest.fixture(scope="module")
def root(drawn, tmp_path_factory):
    """Made-up figures of two scales, the second of two experiments alone."""
    root = tmp_path_factory.mktemp("ledger") / "paper_figures"
    shutil.copytree(drawn, root)
    for scale in ("tiny", "small"):
        scale_page.write_index(root / scale, scale, "made up", synthetic.WHOLE)
    overview.write_overview(root)
    return root


def test_every_claim_of_the_paper_is_in_the_ledger_of_every_scale(root):
    said = [row["id"] for row in read_rows(ledger.CLAIMS)]
    assert said == [f"C{number:02}" for number in range(1, 43)]
    tested = {name for one in names() for name in module(one).CLAIMS}
    assert tested == set(said)  # each by some experiment
    for scale in ("tiny", "small"):
        rows = read_rows(root / scale / "claims.csv")
        assert [row["id"] for row in rows] == sorted(row["id"] for row in rows)
        assert {row["id"] for row in rows} == set(said)
    absent = {row["id"] for row in rows if row["contrast"] == "no published figure tests it"}
    assert absent == set(said) - {"C06", "C18"}
    assert {row["verdict"] for row in rows if row["id"] in absent} == {"not tested"}


def module(name):
    return importlib.import_module(f"workflow.experiments.{name}")


def test_p_belongs_to_the_interval_and_is_corrected_over_all_contrasts(root):
    rows = [row for row in read_rows(root / "tiny" / "claims.csv") if row["p"]]
    assert len(rows) > 40
    for row in rows:
        decided = row["verdict"] in ("reproduced", "contradicted")
        assert (float(row["p"]) < 0.05) == decided, row
        assert float(row["p_holm"]) >= float(row["p"]) * 0.999
        assert ledger.decided_after_holm(row) <= decided
        assert bool(row["needed"]) == (row["verdict"] == "inconclusive")
    wanted = ledger.holm([float(row["p"]) for row in rows])
    found = [float(row["p_holm"]) for row in rows]
    assert found == pytest.approx(wanted, rel=1e-3)


def test_the_table_over_scales(root):
    rows = read_rows(root / "claims.csv")
    assert len(rows) == 42
    by_id = {row["id"]: row for row in rows}
    assert by_id["C01"]["small verdict"] == "not tested" and by_id["C01"]["small effect"] == ""
    assert by_id["C01"]["tiny contrasts"].endswith("/3")
    assert by_id["C18"]["small contrasts"].endswith("/4")


def test_a_metric_changed_by_hand_flips_the_verdict_everywhere(root, tmp_path):
    rows = synthetic.rows("tiny", "table3")
    for row in rows:
        for name in [name for name in row if name.startswith("probe_")]:
            row[name] = 50.0 + row["seed"] + (5.0 if name.endswith("_h") else 0.0)
    verdicts = []
    for number, change in enumerate((0.0, -10.0)):
        for row in rows:
            for name in [name for name in row if name.endswith("_h")]:
                row[name] += change + 0.1 * row["seed"]
        folder = tmp_path / str(number) / "tiny"
        folder.mkdir(parents=True)
        about = {"scale": "tiny", "title": "made up", "seeds": 3}
        stage.draw("table3", rows, about, folder)
        scale_page.write_index(folder, "tiny", "made up", synthetic.WHOLE)
        overview.write_overview(folder.parent)
        table = {row["id"]: row for row in read_rows(folder.parent / "claims.csv")}
        verdicts.append(table["C18"]["tiny verdict"])
    assert verdicts == ["reproduced", "contradicted"]


def test_power_lists_every_open_contrast_with_the_cost_of_its_seeds(planned):
    rows = read_rows(ROOT / "paper_figures" / "tiny" / "claims.csv")
    still_open = [row for row in rows if row["verdict"] == "inconclusive"]
    tested = [row for row in rows if row["verdict"] != "not tested"]
    first, *lines = power.text(planned("tiny")).splitlines()
    assert first == f"{len(tested) - len(still_open)} of {len(tested)} contrasts are decided."
    names = [f"{row['id']} {row['experiment']}: {row['contrast']}" for row in still_open]
    assert sorted(lines[::2]) == sorted(names)
    assert all(
        re.search(r"seeds would decide it: (about \d|out of reach$)", x) for x in lines[1::2]
    )
    with pytest.raises(ConfigError, match="scale imagenet: no figure is published"):
        power.text(planned("imagenet"))
