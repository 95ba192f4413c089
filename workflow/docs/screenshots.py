"""Pictures of the published pages for the docs, taken in a real browser.

python -m workflow.docs.screenshots    # writes docs/screenshots/*.png; needs chromium

The tests of the pages take the same pictures and compare their sizes with those in the docs.
"""

import shutil
from pathlib import Path

from simclr import files

FOLDER = files.ROOT / "docs" / "screenshots"
DESKTOP, PHONE = (1280, 800), (360, 740)  # CSS pixels
WAIT = 120_000  # ms: a busy machine takes its time
# name: page and the part to scroll to, size, color scheme
SHOTS = {
    "desktop": ("index.html", DESKTOP, "light"),
    "dark": ("tiny/index.html#fig5", DESKTOP, "dark"),
    "ledger": ("tiny/index.html#claims", DESKTOP, "light"),
    "figure": ("figures/fig5.html", DESKTOP, "light"),
    "claim": ("claims/C01.html", DESKTOP, "dark"),
    "phone": ("tiny/index.html#fig8", PHONE, "light"),
}


def chromium() -> str | None:
    """Return the path of the browser, or None where none is installed."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


def take(browser, name: str, folder: Path) -> Path:
    """Write one of SHOTS into a folder as PNG, by a running browser. Returns its path."""
    address, (width, height), scheme = SHOTS[name]
    file, _, anchor = address.partition("#")
    size = {"width": width, "height": height}
    page = browser.new_page(viewport=size, color_scheme=scheme, reduced_motion="reduce")
    page.set_default_timeout(WAIT)
    page.goto((files.ROOT / "paper_figures" / file).as_uri() + (f"#{anchor}" if anchor else ""))
    if anchor:
        page.evaluate("name => document.getElementById(name).scrollIntoView()", anchor)
    images_are_loaded = (
        "() => [...document.images].filter(i => { const b = i.getBoundingClientRect();"
        " return i.checkVisibility() && b.bottom > 0 && b.top < innerHeight; })"
        ".every(i => i.complete && i.naturalWidth > 0)"
    )
    page.wait_for_function(images_are_loaded)
    path = folder / f"{name}.png"
    page.screenshot(path=path)
    page.close()
    return path


def main() -> None:
    """Take all SHOTS for the docs."""
    from playwright.sync_api import sync_playwright

    if chromium() is None:
        raise SystemExit(
            "error: no chromium found; install it, for instance by `apt-get install chromium`."
        )
    FOLDER.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        for name in SHOTS:
            print(take(browser, name, FOLDER).relative_to(files.ROOT))
        browser.close()


if __name__ == "__main__":
    main()
