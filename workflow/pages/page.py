"""Pieces of HTML that the pages share: the frame with style and script inside, badges, tables.

Every text that comes from a name, a caption or a number goes through `text`.
"""

import html
import re
import struct
from pathlib import Path

from workflow.catalog import names, paper_order, title
from workflow.pages import ledger

RUNS = "runs.html"


def shown_in(folder: Path) -> list[str]:
    """The experiments whose figures are in the folder, in the paper's order."""
    return sorted((n for n in names() if (folder / f"{n}.svg").is_file()), key=paper_order)


def scale_links(root: Path, here: str) -> list[tuple[str, str, bool]]:
    """Links of the top bar: the page over all scales, and each scale's at the same place."""
    links = [("../index.html", "All scales", False)]
    scales = ledger.published(root)
    for name in scales if here in scales else [*scales, here]:
        links.append((f"../{name}/index.html#", name, name == here))
    return links


def described(name: str) -> str:
    """What to read in place of a figure, as HTML."""
    return text(f"{title(name)[0]}, this replication beside the paper: {title(name)[1]}")


PAGES = Path(__file__).parent
MARKS = {"reproduced": "✓", "contradicted": "✗", "inconclusive": "?", "not tested": "–"}
text = html.escape


def document(title: str, body: str, links: list[tuple[str, str, bool]]) -> str:
    """A page that needs nothing else. links: (address, words, whether this page) of the top bar.

    An address with `#` keeps the place in the page (the same figure at another scale).
    """
    style = (PAGES / "style.css").read_text()
    script = (PAGES / "script.js").read_text()
    bar = "".join(_link(*link) for link in links)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{text(title)}</title>
<link rel="icon" href="data:,">
<style>
{style}</style>
</head>
<body>
<a class="skip" href="#main">Skip to the content</a>
<header class="bar"><nav aria-label="scales">{bar}</nav></header>
<main id="main">
{body}
</main>
<script>
{script}</script>
</body>
</html>
"""


def image(path: Path, address: str, alt: str) -> str:
    """An image that is loaded when it comes into view; its place is kept free until then.

    path: the SVG (sized in points) or PNG file; address: its link; alt: HTML.
    """
    size = _size(path)
    numbers = f' width="{size[0]}" height="{size[1]}"' if size else ""
    return f'<img src="{address}" alt="{alt}"{numbers} loading="lazy">'


def _size(path: Path) -> tuple[int, int] | None:
    start = path.read_bytes()[:1000]
    if start.startswith(b"\x89PNG"):
        return struct.unpack(">II", start[16:24])
    found = re.search(rb'<svg[^>]*? width="([\d.]+)pt"[^>]*? height="([\d.]+)pt"', start)
    found = found or re.search(rb'height="([\d.]+)pt"[^>]*? width="([\d.]+)pt"', start)
    if not found:
        return None
    one, other = round(float(found[1])), round(float(found[2]))
    return (one, other) if found[0].startswith(b"<svg") else (other, one)


def _link(address: str, words: str, here: bool) -> str:
    if here:
        return f'<a href="{text(address)}" aria-current="page">{text(words)}</a>'
    same = ' data-same-place=""' if address.endswith("#") else ""
    return f'<a href="{text(address.removesuffix("#"))}"{same}>{text(words)}</a>'


def kind(verdict: str) -> str:
    """The class of a verdict in the style."""
    return verdict.replace(" ", "-")


def badge(verdict: str, more: str = "") -> str:
    return f'<span class="badge {kind(verdict)}">{MARKS[verdict]} {verdict}{more}</span>'


def effect(words: str) -> str:
    """An effect with its interval, `+6.1 pp [1.5, 10.8], n=5`, that breaks before or after it."""
    return re.sub(r"\[([^] ]+), ([^] ]+)\]", r"[\1,&nbsp;\2]", text(words))


def counts(found: dict[str, int], of: str) -> str:
    """A list with the number of each verdict."""
    items = [
        f'<li class="{kind(verdict)}">{mark} <b>{found.get(verdict, 0)}</b> {verdict}</li>'
        for verdict, mark in MARKS.items()
    ]
    return f'<ul class="counts" aria-label="verdicts">{"".join(items)}<li>of {text(of)}</li></ul>'


def table(name: str, header: list[str], rows: list[str], classes: str = "sortable") -> str:
    """A table with id `name` and a button that copies it; rows are `<tr>` elements."""
    head = "".join(f'<th scope="col">{text(cell)}</th>' for cell in header)
    return f"""<p class="files"><button class="tool" type="button" data-copy="{name}" hidden>Copy
as CSV</button></p>
<div class="scroll" tabindex="0" role="region" aria-label="table {name}">
<table id="{name}" class="{classes}">
<thead><tr>{head}</tr></thead>
<tbody>{"".join(rows)}</tbody></table></div>"""


def row(cells: list[str], attributes: str = "") -> str:
    """A row; cells are HTML, or (HTML, number to sort by)."""
    made = []
    for cell in cells:
        if isinstance(cell, tuple):
            made.append(f'<td data-value="{cell[1]}">{cell[0]}</td>')
        else:
            made.append(f"<td>{cell}</td>")
    return f"<tr{' ' + attributes if attributes else ''}>{''.join(made)}</tr>\n"


def filters(name: str, verdicts: list[str], experiments: dict[str, str], effect: bool) -> str:
    """Controls that show some rows of the table `name` alone. experiments: name -> title."""

    def select(field, words, options):
        made = "".join(f'<option value="{text(k)}">{text(v)}</option>' for k, v in options.items())
        every = f'<option value="">all</option>{made}'
        return f'<label>{words}<select name="{field}" aria-label="{words}">{every}</select></label>'

    size = '<label>effect at least<input name="effect" type="number" min="0" step="0.5"></label>'
    return f"""<form class="controls" data-filters="{name}" hidden>
{select("verdict", "verdict", {one: one for one in verdicts})}
{select("experiment", "figure or table", experiments) if experiments else ""}
{size if effect else ""}<label>words<input name="words" type="search"></label>
<button class="tool" type="reset">show all</button> <output aria-live="polite"></output>
</form>"""
