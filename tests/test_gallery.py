"""The pages: complete, safe HTML, links that lead somewhere, equal bytes for equal figures."""

import html
import html.parser
import itertools
import json
import re
import shutil
from pathlib import Path

import pytest
from markupsafe import escape

from simclr import files
from simclr.config import to_dict
from tests import synthetic
from tests.project import MINI
from workflow import catalog
from workflow.figures import stage
from workflow.pages import claim_pages, ledger, overview, runs, scale_page
from workflow.pages.ledger import read_rows
from workflow.pages.rendering import unbroken_interval
from workflow.planning import planner
from workflow.planning.scale import load_scale

TITLE = 'a <script>alert("x")</script> & title'
TINY = tuple(load_scale("tiny").experiments)
CLAIMS = [row["id"] for row in read_rows(ledger.CLAIMS)]
VOID = ("img", "meta", "br", "input", "link")


class Page(html.parser.HTMLParser):
    """Collects links, images and identifiers, and checks that tags close in order."""

    def __init__(self, text: str):
        super().__init__()
        self.links, self.images, self.ids, self.open, self.labelled = [], [], [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if "id" in attributes:
            self.ids.append(attributes["id"])
        if tag == "a":
            self.links.append(attributes["href"])
        if tag == "img":
            self.images.append(attributes)
        if tag in ("input", "select"):
            assert "label" in self.open, "a control without a label"
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def root(drawn, planned, tmp_path_factory):
    """Two scales with made-up figures, the second with two of them."""
    root = tmp_path_factory.mktemp("gallery") / "paper_figures"
    shutil.copytree(drawn, root)
    for _ in range(2):  # the second time both know of each other
        for scale in ("tiny", "small"):
            runs.write_runs(planned(scale), {}, root / scale)
            scale_page.write_index(root / scale, scale, TITLE, synthetic.WHOLE)
    overview.write_overview(root)
    return root


def pages(root) -> dict:
    return {path: Page(path.read_text()) for path in sorted(root.rglob("*.html"))}


def test_all_links_lead_somewhere(root):
    found = pages(root)
    assert len(found) == 1 + 2 * 2 + len(TINY) + len(CLAIMS)
    for path, one in found.items():
        assert len(set(one.ids)) == len(one.ids)
        for link in one.links:
            if link.startswith("https://arxiv.org/"):
                continue
            name, _, anchor = link.partition("#")
            target = (path.parent / name).resolve() if name else path
            assert target.is_file(), (path, link)
            if anchor:
                assert anchor in found[target].ids, (path, link)


def test_every_image_has_a_text_and_keeps_its_place(root):
    for path, one in pages(root).items():
        for image in one.images:
            assert (path.parent / image["src"]).is_file()
            assert image["alt"] and image["loading"] == "lazy"
            assert int(image["width"]) > int(image["height"]) / 3 > 10


def test_nothing_is_fetched_and_nothing_runs_that_a_name_says(root):
    for path in root.rglob("*.html"):
        text = path.read_text()
        assert text.count("<script>") == 1 and "alert(" not in text.replace("&quot;", '"').replace(
            "&lt;script&gt;alert(", ""
        )
        for word in ("src=", "href=", "url(", "@import"):
            for part in text.split(word)[1:]:
                assert not part.lstrip("\"'").startswith(("http:", "//")), (path, part[:40])


def test_the_page_shows_every_figure_claim_and_number(root):
    folder = root / "tiny"
    text = (folder / "index.html").read_text()
    found = Page(text)
    shown = {Path(image["src"]) for image in found.images}
    assert {path.stem for path in shown} == set(TINY) and len(shown) == len(TINY)
    for path in shown:  # the lighter one, where that is a PNG
        svg, png = ((folder / path).with_suffix(kind).stat().st_size for kind in (".svg", ".png"))
        assert (path.suffix == ".png") == (svg > 1.5 * png)
    for row in read_rows(folder / "claims.csv"):
        assert row["verdict"] in text and row["id"] in found.ids
    for name in TINY:
        assert name in found.ids and f"numbers-{name}" in found.ids


def test_a_page_for_every_figure_and_claim_over_all_scales(root):
    found = {path.relative_to(root).as_posix(): one for path, one in pages(root).items()}
    shown = [image["src"] for image in found["index.html"].images]
    assert shown[-1] == "claims.svg"
    for name in TINY:
        scales = [scale for scale in ("tiny", "small") if (root / scale / f"{name}.svg").is_file()]
        page = found[f"figures/{name}.html"]
        assert sorted(image["src"] for image in page.images) == sorted(
            f"../{scale}/{name}.svg" for scale in scales
        )
        assert {f"../{scale}/runs.html#{name}" for scale in scales} <= set(page.links)
        assert {f"figures/{name}.{scale}.png" for scale in scales} <= set(shown)
        for claim in catalog.module(name).CLAIMS:
            assert f"../claims/{claim}.html" in page.links
            assert f"../figures/{name}.html" in found[f"claims/{claim}.html"].links
    for before, after in itertools.pairwise(CLAIMS):
        assert f"{after}.html" in found[f"claims/{before}.html"].links
        assert f"{before}.html" in found[f"claims/{after}.html"].links
        assert f"claims/{after}.html" in found["index.html"].links


def test_a_claim_says_what_it_found_at_each_scale(root):
    for claim in CLAIMS:
        text = html.unescape((root / "claims" / f"{claim}.html").read_text())
        said = next(row for row in read_rows(ledger.CLAIMS) if row["id"] == claim)
        assert all(said[name] in text for name in ("claim", "where", "paper_effect"))
        rows = [
            row
            for scale in ("tiny", "small")
            for row in read_rows(root / scale / "claims.csv")
            if row["id"] == claim and row["effect"]
        ]
        assert text.count('role="img"') == len(rows) > 0
        for row in rows:
            assert row["contrast"] in text and claim_pages.what_would_change(row) in text
            assert unbroken_interval(ledger.effect(row)) in text
        for place in re.findall(r'x[12]?="(-?[0-9.]+)%"', text):
            assert 0 <= float(place) <= 100


def test_thumbnails_and_pages_follow_the_figures(root, tmp_path):
    shutil.copytree(root, tmp_path / "copy")
    copy = tmp_path / "copy"
    thumbnail = copy / "figures" / "fig6.small.png"
    before = thumbnail.read_bytes()
    shutil.copy(copy / "tiny" / "table3.png", copy / "small" / "fig6.png")
    for path in copy.glob("*/figb1.*"):
        path.unlink()
    (copy / "figures" / "figb1.html").write_text("of a figure that is gone")
    overview.write_overview(copy)
    assert thumbnail.read_bytes() != before
    assert not list(copy.rglob("figb1.*")) and "figb1" not in (copy / "index.html").read_text()


def test_pages_over_all_scales_where_little_is_published(tmp_path):
    """A scale of which nothing is published, one of one seed, one of which runs are missing."""
    rows = synthetic.rows("tiny", "fig8")
    labels = ("setting", "seed", *catalog.module("fig8").LABELS)
    cut = {name: row[name] for name in labels for row in rows[:1] if name in row}
    parts = {
        "none": [],
        "one": [row for row in rows if row["seed"] == 0],
        "part": [cut, *rows[1:]],
    }
    for scale, kept in parts.items():
        (tmp_path / scale).mkdir()
        if kept:
            stage.draw("fig8", kept, synthetic.context("tiny"), tmp_path / scale)
        results = {"there": 7, "planned": 8} if scale == "part" else synthetic.WHOLE
        scale_page.write_index(tmp_path / scale, scale, scale, results)
        overview.write_overview(tmp_path)
        assert len(list(tmp_path.rglob("claims/*.html"))) == len(CLAIMS)
    index = (tmp_path / "index.html").read_text()
    assert "No figure is published." in index
    said = {scale: files.read_text(tmp_path / scale / "index.html") for scale in parts}
    assert ["7 of 8 results" in said[scale] for scale in parts] == [one == "part" for one in parts]
    claim = (tmp_path / "claims" / "C15.html").read_text()
    assert "(in part: " in claim and "one seed excludes nothing" in claim
    assert "none is published at any scale" in files.read_text(tmp_path / "claims" / "C01.html")


def test_equal_figures_give_equal_pages(root):
    before = {path: path.read_bytes() for path in root.rglob("*.html")}
    assert scale_page.write_index(root / "tiny", "tiny", TITLE, synthetic.WHOLE) == 0
    assert overview.write_overview(root) == 0
    assert before == {path: path.read_bytes() for path in root.rglob("*.html")}


def test_pages_are_light(root):
    for path, one in pages(root).items():
        weight = path.stat().st_size
        weight += sum((path.parent / image["src"]).stat().st_size for image in one.images)
        assert weight < 3e6, path


def test_the_page_of_one_figure(tmp_path):
    about = {"scale": "tiny", "title": "one", "seeds": 3}
    (tmp_path / "tiny").mkdir()
    stage.draw("fig6", synthetic.rows("tiny", "fig6"), about, tmp_path / "tiny")
    scale_page.write_index(tmp_path / "tiny", "tiny", "only one", synthetic.WHOLE)
    found = Page((tmp_path / "tiny" / "index.html").read_text())
    assert [image["src"] for image in found.images] == ["fig6.svg"]


def test_the_runs_say_what_differs_and_where_they_came_from(tmp_path):
    (tmp_path / "mini.yaml").write_text(MINI)
    plan = planner.build_plan("mini", tmp_path)
    figure = plan.figure("table5")
    key = next(iter(figure.inputs.values())).key
    line = {
        "versions": {"torch": "1.2.3"},
        "hardware": "an <abacus>",
        "code": "0123456789abcdef",
        "seconds": 1.25,
        "training": {"key": "k", "seconds": 17.5},
    }
    folder = tmp_path / "paper_figures" / "mini"
    folder.mkdir(parents=True)
    about = {"scale": "mini", "title": "mini", "seeds": 2}
    rows = [
        {**row, "linear_h": 50.0 + row["seed"], "contrastive_accuracy": 10.0, "loss": 1.0}
        for row in figure.settings.rows
    ]
    stage.draw("table5", rows, about, folder)
    runs.write_runs(plan, {key: line}, folder)
    text = (folder / "runs.html").read_text()
    assert "loss.normalize = False" in text and "loss.temperature = 10.0" in text
    assert "an &lt;abacus&gt;" in text and "17.5 s" in text and "torch 1.2.3" in text
    assert text.count("not published") == 3 and key in text
    for instance in plan.of("pretrain"):
        if "table5" in instance.experiments:
            settings = {k: v for k, v in to_dict(instance.settings).items() if k != "seed"}
            assert escape(json.dumps(settings, sort_keys=True)) in text
