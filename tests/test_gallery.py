"""The pages: complete, safe HTML, links that lead somewhere, equal bytes for equal figures."""

import html.parser
import json
import shutil

import pytest
from markupsafe import escape

from simclr.config import to_dict
from tests import synthetic
from tests.project import MINI
from workflow.figures import stage
from workflow.pages import overview, runs, scale_page
from workflow.pages.ledger import read_rows
from workflow.planning import planner
from workflow.planning.scale import load_scale

TITLE = 'a <script>alert("x")</script> & title'
TINY = tuple(load_scale("tiny").experiments)
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
            scale_page.write_index(root / scale, scale, TITLE)
    overview.write_overview(root)
    return root


def pages(root) -> dict:
    return {path: Page(path.read_text()) for path in sorted(root.rglob("*.html"))}


def test_all_links_lead_somewhere(root):
    found = pages(root)
    assert len(found) == 1 + 2 * 2
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
    wanted = {f"{name}.svg" for name in TINY}
    assert {image["src"] for image in found.images} == wanted
    for row in read_rows(folder / "claims.csv"):
        assert row["verdict"] in text and row["id"] in found.ids
    for name in TINY:
        assert name in found.ids and f"numbers-{name}" in found.ids


def test_equal_figures_give_equal_pages(root):
    before = {path: path.read_bytes() for path in root.rglob("*.html")}
    assert scale_page.write_index(root / "tiny", "tiny", TITLE) == 0
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
    scale_page.write_index(tmp_path / "tiny", "tiny", "only one")
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
