"""Pictures of the published pages for the docs, taken in a real browser.

python -m workflow.docs.screenshots    # writes docs/screenshots/*.png; needs chromium

The tests of the pages take the same pictures, and compare their size with those in the docs.
"""

import shutil
from pathlib import Path

from simclr import files

FOLDER = files.ROOT / "docs" / "screenshots"
DESKTOP, PHONE = (1280, 800), (360, 740)  # CSS pixels
# name: page and place in it, size, colour scheme
SHOTS = {
    "desktop": ("index.html", DESKTOP, "light"),
    "dark": ("tiny/index.html#fig5", DESKTOP, "dark"),
    "ledger": ("tiny/index.html#claims", DESKTOP, "light"),
    "phone": ("tiny/index.html#fig8", PHONE, "light"),
}


def chromium() -> str | None:
    """Path of the browser, if there is one."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


def take(browser, name: str, folder: Path) -> Path:
    """Write one of SHOTS into a folder, as PNG, by a started browser; returns its path."""
    place, (width, height), scheme = SHOTS[name]
    file, _, anchor = place.partition("#")
    size = {"width": width, "height": height}
    page = browser.new_page(viewport=size, color_scheme=scheme, reduced_motion="reduce")
    address = (files.ROOT / "paper_figures" / file).as_uri()
    page.goto(f"{address}#{anchor}" if anchor else address)
    page.wait_for_load_state("networkidle")
    if anchor:
        page.evaluate("name => document.getElementById(name).scrollIntoView()", anchor)
    seen = (
        "() => [...document.images].filter(i => { const b = i.getBoundingClientRect();"
        " return i.checkVisibility() && b.bottom > 0 && b.top < innerHeight; })"
        ".every(i => i.complete && i.naturalWidth > 0)"
    )
    page.wait_for_function(seen)
    path = folder / f"{name}.png"
    page.screenshot(path=path)
    page.close()
    return path


def main() -> None:
    """Take all of them."""
    from playwright.sync_api import sync_playwright

    if chromium() is None:
        raise SystemExit("error: no chromium; `apt-get install chromium`, or the like.")
    FOLDER.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        for name in SHOTS:
            print(take(browser, name, FOLDER).relative_to(files.ROOT))
        browser.close()


if __name__ == "__main__":
    main()
