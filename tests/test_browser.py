"""The published pages in a real browser, opened from disk: no errors, no overflow, it works."""

import itertools
import re

import pytest
from PIL import Image

from tests.synthetic import ROOT
from workflow.docs import screenshots

CHROMIUM = screenshots.chromium()
FIGURES = ROOT / "paper_figures"
ALL = sorted(path.relative_to(FIGURES).as_posix() for path in FIGURES.rglob("*.html"))
NESTED = [name for name in ALL if name.startswith(("figures/", "claims/"))]
PAGES = [name for name in ALL if name not in NESTED] + ["figures/fig5.html", "claims/C01.html"]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium: apt-get install chromium"),
]


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def visit(browser):
    """visit(name, **options of the context) -> the page, with its errors and requests noted."""
    contexts = []

    def opened(name, **options):
        context = browser.new_context(**options)
        context.set_default_timeout(screenshots.WAIT)
        contexts.append(context)
        page = context.new_page()
        page.problems, page.asked = [], []
        page.on(
            "console",
            lambda said: (
                page.problems.append(said.text) if said.type in ("error", "warning") else None
            ),
        )
        page.on("pageerror", lambda error: page.problems.append(str(error)))
        page.on("requestfailed", lambda request: page.problems.append(request.url))
        page.on("request", lambda request: page.asked.append(request.url))
        file, _, place = name.partition("#")
        page.goto((FIGURES / file).as_uri() + ("#" + place if place else ""))
        return page

    yield opened
    for context in contexts:
        context.close()


def see_all(page):
    """Scroll through the page, so that lazy images are loaded; wait for those that are shown."""
    page.evaluate(
        """async () => {
            for (let y = 0; y < document.body.scrollHeight; y += 500) {
                scrollTo(0, y);
                await new Promise((done) => setTimeout(done, 15));
            }
            const shown = [...document.images].filter((one) => one.checkVisibility());
            for (const one of shown) one.loading = "eager";
            await Promise.all(shown.map((one) => one.decode()));
        }"""
    )


def test_all_pages_are_there():
    assert {"index.html", "tiny/index.html", "tiny/runs.html", "small/index.html"} <= set(ALL)
    assert sum(name.startswith("claims/") for name in NESTED) == 42
    assert len(NESTED) - 42 >= len(list((FIGURES / "tiny").glob("*.caption.md")))


@pytest.mark.parametrize("name", PAGES)
def test_no_errors_and_nothing_from_the_network(visit, name):
    page = visit(name)
    see_all(page)
    assert page.problems == []
    assert all(url.startswith(("file:", "data:")) for url in page.asked)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_a_phone_scrolls_down_alone(visit, name, scheme):
    page = visit(name, viewport={"width": 360, "height": 740}, color_scheme=scheme)
    for opened in page.locator("details").all()[:8]:
        opened.evaluate("one => { one.open = true; }")
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= 360
    style = "getComputedStyle(document.body)"
    colors = page.evaluate(f"[{style}.color, {style}.backgroundColor]")
    assert contrast(*colors) > 7


def test_no_page_of_a_claim_or_figure_is_wider_than_a_phone(visit):
    page = visit(NESTED[0], viewport={"width": 360, "height": 740})
    for name in NESTED:
        page.goto((FIGURES / name).as_uri())
        see_all(page)  # an image that is on its way when its page is left counts as failed
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, name
        levels = page.locator("h1, h2, h3").evaluate_all("all => all.map(h => +h.tagName[1])")
        steps = [after - before for before, after in itertools.pairwise([0, *levels])]
        assert max(steps) <= 1 and levels.count(1) == 1, name
    assert page.problems == []
    assert all(url.startswith(("file:", "data:")) for url in page.asked)


def contrast(ink: str, paper: str) -> float:
    """WCAG's contrast ratio of two colours as CSS writes them."""

    def luminance(color):
        parts = [int(x) / 255 for x in color.removeprefix("rgb(").removesuffix(")").split(",")]
        linear = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    light, dark = sorted((luminance(ink), luminance(paper)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("name", screenshots.SHOTS)
def test_screenshots_show_a_page(browser, name, tmp_path):
    """In the size that they have in the docs, in light or dark colours, and not an empty page."""
    _, size, scheme = screenshots.SHOTS[name]
    with Image.open(screenshots.take(browser, name, tmp_path)) as image:
        pixels = image.convert("L").resize((120, 120)).tobytes()
        assert image.size == size and len(set(pixels)) > 30
        bright = sorted(pixels)[len(pixels) // 2] > 127
        assert bright == (scheme == "light")
    with Image.open(screenshots.FOLDER / f"{name}.png") as published:
        assert published.size == size, "run `python -m workflow.docs.screenshots`"


def test_a_page_and_its_images_are_light():
    for name in ALL:
        folder = (FIGURES / name).parent
        text = (FIGURES / name).read_text()
        shown = re.sub(r"<details>.*?</details>", "", text, flags=re.DOTALL)  # loaded when opened
        if name == "index.html":
            shown = text  # all thumbnails
        images = set(re.findall(r'<img src="([^"]+)"', shown))
        weight = len(text.encode()) + sum((folder / image).stat().st_size for image in images)
        assert weight < 3e6, (name, weight)


def test_first_paint_waits_for_no_image(visit):
    page = visit("tiny/index.html", viewport={"width": 1280, "height": 800})
    images = page.locator("img").count()
    loaded = {url for url in page.asked if url.endswith((".svg", ".png"))}
    assert images > 15 and len(loaded) < images / 2


def rows(page):
    return page.locator("#ledger tbody tr:visible")


def test_the_ledger_is_filtered_and_sorted(visit):
    page = visit("tiny/index.html")
    every = rows(page).count()
    assert every >= 42
    page.get_by_label("verdict", exact=True).select_option("reproduced")
    some = rows(page).count()
    assert 0 < some < every
    assert all("reproduced" in text for text in rows(page).all_inner_texts())
    assert page.locator("output").inner_text() == f"{some} of {every}"
    page.get_by_label("figure or table", exact=True).select_option("fig5")
    assert {row.get_attribute("data-experiment") for row in rows(page).all()} == {"fig5"}
    page.get_by_role("button", name="show all").click()
    page.wait_for_function(f"document.querySelector('output').innerText.startsWith('{every} ')")
    page.get_by_label("effect at least").fill("20")
    assert all(abs(float(r.get_attribute("data-effect"))) >= 20 for r in rows(page).all())
    page.get_by_label("effect at least").fill("")
    page.get_by_label("words").fill("histogram")
    assert 0 < rows(page).count() < 5
    page.get_by_label("words").fill("")

    head = page.locator("#ledger th", has_text="our effect")
    for order in ("ascending", "descending"):
        head.get_by_role("button").click()
        assert head.get_attribute("aria-sort") == order
        effects = [r.get_attribute("data-effect") for r in rows(page).all()]
        numbers = [float(effect) for effect in effects if effect]
        assert numbers == sorted(numbers, reverse=order == "descending")


def test_a_figure_is_seen_at_all_scales_or_large(visit):
    page = visit("figures/fig5.html", viewport={"width": 1280, "height": 800})
    see_all(page)
    images = page.locator("figure img:visible")
    many = images.count()
    assert many >= 2
    first, second = (images.nth(number).bounding_box() for number in (0, 1))
    assert first["y"] == second["y"] and first["x"] < second["x"]  # side by side
    page.get_by_label("small, large").check()
    assert images.count() == 1 and images.get_attribute("src") == "../small/fig5.svg"
    assert images.bounding_box()["width"] > 1.5 * first["width"]
    page.get_by_label("all, side by side").check()
    assert images.count() == many
    assert page.problems == []

    page = visit("tiny/index.html#fig8")
    page.get_by_role("link", name="small", exact=True).click()
    assert page.url.endswith("small/index.html#fig8")
    assert page.locator("#fig8").bounding_box()["y"] < 800


def test_the_keyboard_leads_from_a_thumbnail_to_the_next_claim(visit):
    page = visit("index.html")
    first = page.locator("details[open]")
    assert first.locator("img").count() == first.locator("li a").count() > 8
    page.locator("details:not([open]) summary").first.focus()
    page.keyboard.press("Enter")
    assert page.locator("details[open]").count() == 2
    page.locator(".thumbnails a[href*='fig4.html']").first.focus()  # Figure 5 is next
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    page.keyboard.press("Tab")
    assert page.evaluate(outline) == "solid"
    page.keyboard.press("Enter")
    page.wait_for_url("**/figures/*.html")
    page.get_by_role("link", name=re.compile("^C[0-9]{2}$")).first.press("Enter")
    page.wait_for_url("**/claims/*.html")
    before = page.locator("h1").inner_text()
    strips = page.get_by_role("img").all()
    assert strips and all("paper's side" in strip.get_attribute("aria-label") for strip in strips)
    steps = page.get_by_role("navigation", name="previous and next", exact=True)
    steps.get_by_role("link").last.press("Enter")
    moved = "before => document.querySelector('h1').innerText !== before"
    page.wait_for_function(moved, arg=before)
    crumbs = page.get_by_role("navigation", name="breadcrumb").get_by_role("link")
    assert crumbs.all_inner_texts()[:2] == ["All scales", "Claims"]


def test_claims_against_compute_open_the_page(visit):
    page = visit("index.html", color_scheme="dark")
    see_all(page)
    image = page.locator("#compute img")
    assert image.evaluate("one => one.naturalWidth") > 400
    assert image.bounding_box()["y"] > page.locator(".thumbnails").first.bounding_box()["y"]
    assert image.bounding_box()["y"] < page.locator("#claims").bounding_box()["y"]
    assert "core-hours" in image.get_attribute("alt")
    card = page.locator("#compute .scroll").evaluate("one => getComputedStyle(one).backgroundColor")
    assert card == "rgb(255, 255, 255)"  # its letters are dark


def test_tables_are_copied_as_csv(visit):
    page = visit("tiny/index.html", permissions=["clipboard-read", "clipboard-write"])
    page.locator('[data-copy="ledger"]').click()
    page.wait_for_function("document.querySelector('[data-copy=ledger]').innerText === 'Copied'")
    text = page.evaluate("navigator.clipboard.readText()")
    assert text.startswith("id,claim of the paper,verdict,our contrast,")
    assert text.count("\n") == rows(page).count() + 1


def test_the_keyboard_reaches_everything(visit):
    page = visit("tiny/index.html")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    page.wait_for_url("**#main")
    seen = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        seen.add(page.evaluate("document.activeElement.tagName"))
    assert {"A", "DIV"} <= seen  # links, and what scrolls sideways
    page.get_by_label("verdict", exact=True).focus()
    page.keyboard.press("ArrowDown")
    assert page.locator("output").inner_text() != ""


def test_without_scripts_everything_is_there(visit):
    page = visit("tiny/index.html", java_script_enabled=False)
    assert rows(page).count() >= 42
    assert page.locator("form:visible").count() == 0
    page = visit("figures/fig5.html", java_script_enabled=False)
    assert page.locator("figure img:visible").count() >= 2
