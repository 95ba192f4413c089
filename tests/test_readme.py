"""No number in the README or docs/benchmarks.md is typed in: each stands in a file of results."""

import json

import pytest

from benchmarks import report
from tests.synthetic import ROOT
from workflow.docs import readme
from workflow.pages import dvc_views, ledger

SCALES = ("tiny", "small")


def test_the_readme_shows_the_published_claims():
    text = (ROOT / "README.md").read_text()
    (section,) = readme.SECTION.finditer(text)
    assert section["scales"].split() == list(SCALES)
    assert readme.filled(text) == text, "run `python -m workflow.docs.readme`"


@pytest.mark.parametrize("scale", SCALES)
def test_a_changed_claim_changes_the_readme(scale, monkeypatch, tmp_path):
    for one in SCALES:
        source = ROOT / "paper_figures" / one / "claims.csv"
        target = tmp_path / "paper_figures" / one / "claims.csv"
        target.parent.mkdir(parents=True)
        text = source.read_text()
        target.write_text(text.replace("reproduced", "contradicted") if one == scale else text)
    before = readme.table(list(SCALES))
    monkeypatch.setattr(readme.files, "ROOT", tmp_path)
    assert readme.table(list(SCALES)) != before


def test_the_table_over_scales_is_that_of_the_published_claims():
    root = ROOT / "paper_figures"
    rows = ledger.over_scales(root, ledger.published(root))
    assert (root / "claims.csv").read_text() == ledger.text_of(rows)


@pytest.mark.parametrize("scale", SCALES)
def test_published_metrics_and_figures_belong_together(scale):
    """Each CSV of the published figures has the values of the published metrics, no others."""
    lines = (ROOT / "data" / "published" / f"{scale}.jsonl").read_text().splitlines()
    metrics = [json.loads(line)["metrics"] for line in lines]
    published = {(name, repr(float(value))) for one in metrics for name, value in one.items()}
    shown = set()
    for path in (ROOT / "paper_figures" / scale).glob("*.csv"):
        if path.name.count(".") == 1 and path.name not in ("claims.csv", *dvc_views.FILES):
            for row in path.read_text().splitlines()[1:]:
                *_, name, value = row.split(",")
                shown.add((name, repr(float(value))))
    assert shown == published


def test_the_page_of_benchmarks_shows_their_results():
    page = (ROOT / "docs" / "benchmarks.md").read_text()
    assert report.page() == page, "run `python -m benchmarks.report`"
