"""No number in the README, docs/claims.md, docs/findings.md or docs/benchmarks.md is typed in."""

import csv
import json
import re
import shutil
from pathlib import Path

import pytest
import yaml

from benchmarks import report
from simclr import files
from tests.synthetic import ROOT
from workflow.docs import findings_page, found, readme
from workflow.pages import dvc_views, ledger

SCALES = ("tiny", "small")
# Versions, a size, and what a name, a level or an address has; no result.
TYPED = ["2020", "2002.05709", "95", "3.11", "6"]


def test_the_readme_and_its_pages_show_what_is_published():
    text = files.read_text(readme.README)
    assert {match[2] for match in readme.SECTION.finditer(text)} == set(readme.SECTIONS)
    assert readme.filled(text) == text, "run `python -m workflow.docs.readme`"
    for name, page in readme.PAGES.items():
        shown = files.read_text(ROOT / "docs" / name)
        assert page() == shown, f"docs/{name}: run `python -m workflow.docs.readme`"


def test_the_readme_is_short_and_has_no_typed_result():
    text = files.read_text(readme.README)
    assert len(text.splitlines()) <= 110
    own = re.sub(r"^\| `.*\n", "", text, flags=re.MULTILINE)  # one row a scale
    assert len(own) <= 6800
    typed = readme.SECTION.sub("", text)
    typed = re.sub(r"```.*?```|^    .+$|`.*?`", "", typed, flags=re.DOTALL | re.MULTILINE)
    assert sorted(re.findall(r"(?<!\w)\d+(?:[.,]\d+)*", typed)) == sorted(TYPED)


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A folder in place of the project's, with the published claims and metrics of both scales."""
    for scale in SCALES:
        copy_figures(scale, tmp_path)
    shutil.copytree(ROOT / "data" / "published", tmp_path / "data" / "published")
    monkeypatch.setattr(files, "ROOT", tmp_path)
    return tmp_path


def copy_figures(scale: str, project: Path) -> None:
    """Copy of a scale's published figures what the texts are written from."""
    folder = project / "paper_figures" / scale
    folder.mkdir(parents=True)
    for name in ("claims.csv", "metrics.json"):
        shutil.copy(ROOT / "paper_figures" / scale / name, folder)


def every_text() -> list[str]:
    return [readme.sentences(), *(readme.PAGES[name]() for name in ("claims.md", "findings.md"))]


@pytest.mark.parametrize("scale", SCALES)
def test_a_changed_claim_changes_the_readme_and_its_pages(scale, elsewhere):
    before = every_text()
    path = elsewhere / "paper_figures" / scale / "claims.csv"
    path.write_text(path.read_text().replace("reproduced", "contradicted"))
    assert all(old != new for old, new in zip(before, every_text(), strict=True))


def test_the_largest_scale_leads_and_one_that_is_published_has_been_run(elsewhere):
    """Publish a scale that is not computed: first one of its results, then all."""
    name = "cifar10-jpeg"
    plan = readme._plans()[name]
    not_run = readme.sentences().partition("**Not run**")[2]
    assert readme._computed(plan) == "no" and f"`{name}`" in not_run
    chosen = readme.published.measured(plan)
    part = f"in part: 1 of {len(chosen):,} results"
    former = ", by earlier code ([changelog](CHANGELOG.md))"
    for count, key, said in (
        (1, "0" * 12, part + former),
        (1, "", part),
        (len(chosen), "0" * 12, "**yes**" + former),
        (len(chosen), "", "**yes**"),
    ):
        about = {"metrics": {}, "hardware": "a card"}
        lines = [
            {"stage": one.stage.name, "name": one.name, "key": key or one.key, **about}
            for one in chosen[:count]
        ]
        text = "".join(json.dumps(line) + "\n" for line in lines)
        files.write_atomic(elsewhere / "data" / "published" / f"{name}.jsonl", text)
        assert readme._computed(plan) == said
    root = elsewhere / "paper_figures"
    shutil.copytree(root / "tiny", root / name)
    (root / name / "metrics.json").write_text('{"hours": {"GPU-hours": 1.0}}')
    said = readme.sentences()
    assert f"`{name}`" not in said.partition("**Not run**")[2] and f" claims, at `{name}`" in said
    assert found.scales(root)[0] == name


def test_a_scale_in_part_does_not_speak_for_all(elsewhere):
    """With one claim it is counted, and the next largest is that whose findings are named."""
    root = elsewhere / "paper_figures"
    before = found.sentences(root)
    folder = root / "medium"
    shutil.copytree(root / "small", folder)
    (folder / "metrics.json").write_text('{"hours": {"core-hours": 9.0}}', encoding="utf-8")
    head, *rows = files.read_text(root / "small" / "claims.csv").splitlines()
    (row,) = [row for row in rows if row.startswith("C27,")]
    (folder / "claims.csv").write_text("\n".join([head, row, ""]), encoding="utf-8")
    said = found.sentences(root)
    claims = len(ledger.read_rows(ledger.CLAIMS))
    assert f"{claims - 1} not tested; at `small`" in said[0]
    assert "Clearest of what is reproduced at `small`:" in said[2]
    (agree,) = [line for line in said if "at every scale that tests it" in line]
    assert agree in before
    (folder / "claims.csv").write_text("\n".join([head, *rows, ""]), encoding="utf-8")
    assert "`medium`:" in "".join(found.sentences(root)[2:])


def test_sentences_where_there_is_little_to_say(elsewhere):
    root = elsewhere / "paper_figures"
    shutil.rmtree(root / "small")
    path = root / "tiny" / "claims.csv"
    path.write_text(re.sub("reproduced|contradicted", "inconclusive", path.read_text()))
    said = "\n".join(found.sentences(root))
    assert re.search(r"at `tiny` \d+ inconclusive", said) and "every scale" not in said
    assert "None is reproduced at `tiny`." in said and "None is contradicted at `tiny`." in said
    assert "No claim is contradicted at any scale." in findings_page.page()
    shutil.rmtree(root / "tiny")
    assert found.sentences(root) == ["* Nothing is published yet."]


def test_a_discussion_is_shown_where_its_claim_is_contradicted_and_only_there(elsewhere):
    copy_figures("medium", elsewhere)  # published in part
    notes = yaml.safe_load(files.read_text(findings_page.DISCUSSION))
    scales = ledger.published(elsewhere / "paper_figures")
    rows = ledger.over_scales(elsewhere / "paper_figures", scales)
    verdicts = {(row["id"], scale): row[f"{scale} verdict"] for row in rows for scale in scales}
    page = findings_page.page()
    sections = {part[:3]: part for part in page.split("\n### ") if part.startswith("C")}
    for claim, by_scale in notes.items():
        for scale, text in by_scale.items():
            shown = claim in sections and text in sections[claim]
            assert shown == (verdicts[claim, scale] in findings_page.AGAINST), (claim, scale)
    path = elsewhere / "paper_figures" / "tiny" / "claims.csv"
    path.write_text(path.read_text().replace("reproduced", "contradicted"))
    assert f"At `tiny`: {findings_page.UNKNOWN}" in findings_page.page()


def test_the_table_over_scales_is_that_of_the_published_claims():
    root = ROOT / "paper_figures"
    rows = ledger.over_scales(root, ledger.published(root))
    assert (root / "claims.csv").read_text() == ledger.text_of(rows)


@pytest.mark.parametrize("scale", SCALES)
def test_published_metrics_and_figures_belong_together(scale):
    """Each CSV of the published figures has the values of the published metrics, no others.

    While a scale is computed anew, its results are there under new keys before its figures are.
    """
    lines = (ROOT / "data" / "published" / f"{scale}.jsonl").read_text().splitlines()
    lines = [json.loads(line) for line in lines]
    pairs = [pair for line in lines for pair in line["metrics"].items()]
    published = {(name, repr(float(value))) for name, value in pairs}
    anew = len({(line["stage"], line["name"]) for line in lines}) < len(lines)
    shown = set()
    for path in (ROOT / "paper_figures" / scale).glob("*.csv"):
        if path.name.count(".") == 1 and path.name not in ("claims.csv", *dvc_views.FILES):
            for row in csv.DictReader(path.open()):
                shown.add((row["metric"], repr(float(row["value"]))))
    assert shown <= published
    assert anew or shown == published


def test_the_page_of_benchmarks_shows_their_results():
    page = (ROOT / "docs" / "benchmarks.md").read_text()
    assert report.page() == page, "run `python -m benchmarks.report`"
