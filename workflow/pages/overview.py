"""The page paper_figures/index.html: what the paper claims, and what holds at which scale.

Every claim with its verdict at each published scale, and every figure with a switch between scales.
"""

from collections import Counter
from pathlib import Path

from simclr.files import write_atomic
from workflow import catalog
from workflow.pages import ledger, page
from workflow.pages.page import text


def write_overview(root: Path) -> int:
    """Write index.html and claims.csv over the scales below `root`; returns how many changed."""
    scales = ledger.published(root)
    rows = ledger.over_scales(root, scales)
    changed = write_atomic(root / "claims.csv", ledger.text_of(rows))
    body = "\n".join([HEAD, _counts(scales, rows), _ledger(scales, rows), _figures(root, scales)])
    links = [("index.html", "All scales", True)]
    links += [(f"{scale}/index.html#", scale, False) for scale in scales]
    return changed + write_atomic(
        root / "index.html", page.document("SimCLR, recomputed", body, links)
    )


HEAD = """<h1>SimCLR, recomputed</h1>
<p>Every figure and table of <cite>A Simple Framework for Contrastive Learning of Visual
Representations</cite> (Chen, Kornblith, Norouzi and Hinton, ICML 2020,
<a href="https://arxiv.org/abs/2002.05709">arXiv 2002.05709</a>), computed again at scales that
differ from the paper's in data and size, and for each of its 42 claims whether it held. Verdicts
are computed from several seeds: <b>reproduced</b> where the 95 % interval of every contrast of the
claim excludes zero on the paper's side, <b>contradicted</b> where some exclude it on the other side
and none is reproduced, else <b>inconclusive</b>.</p>"""


def _counts(scales: list[str], rows: list[dict]) -> str:
    parts = []
    for scale in scales:
        found = Counter(row[f"{scale} verdict"] for row in rows)
        parts.append(f'<h3><a href="{text(scale)}/index.html">Scale {text(scale)}</a></h3>')
        parts.append(page.counts(found, f"{len(rows)} claims"))
    return "\n".join(parts)


def _ledger(scales: list[str], rows: list[dict]) -> str:
    lines = []
    for row in rows:
        cells = [text(row["id"]), text(row["claim"])]
        for scale in scales:
            verdict = row[f"{scale} verdict"]
            link = f"{text(scale)}/index.html#{text(row['id'])}"
            words = f"<a href='{link}'>{text(row[f'{scale} contrasts'])} contrasts</a>"
            effect = page.effect(row[f"{scale} effect"])
            cells.append(f"{page.badge(verdict)}<br> {words}<br> {effect}")
        cells += [text(row["paper_effect"]), text(row["where"])]
        found = " ".join(sorted({page.kind(row[f"{scale} verdict"]) for scale in scales}))
        about = f'id="{text(row["id"])}" data-verdict="{found}" data-experiment=""'
        lines.append(page.row(cells, about))
    header = ["id", "claim", *scales, "the paper's effect", "where"]  # verdicts first: on a phone
    verdicts = [page.kind(verdict) for verdict in page.MARKS]
    controls = page.filters("ledger", verdicts, {}, effect=False)
    return f"""<section id="claims">
<h2>The paper's claims</h2>
<p>Of each claim: how many of its contrasts are reproduced, and the effect in the first one.
<a href="claims.csv">claims.csv</a></p>
{controls}
{page.table("ledger", header, lines, "sortable wide")}
</section>"""


def _figures(root: Path, scales: list[str]) -> str:
    where = {scale: page.shown_in(root / scale) for scale in scales}
    every = sorted({n for names in where.values() for n in names}, key=catalog.paper_order)
    contents = " ".join(f'<a href="#{n}">{text(catalog.title(n)[0])}</a>' for n in every)
    parts = [f'<nav class="contents" aria-label="figures">{contents}</nav>']
    for name in every:
        parts.append(_figure(root, name, [scale for scale in scales if name in where[scale]]))
    return "<h2>Figures and tables</h2>\n" + "\n".join(parts)


def _figure(root: Path, name: str, scales: list[str]) -> str:
    number, words = (text(part) for part in catalog.title(name))
    options, images = [], []
    for place, scale in enumerate(scales):
        checked = "" if place else " checked"
        options.append(
            f'<label><input type="radio" name="{name}" value="{text(scale)}"{checked}> '
            f"{text(scale)}</label>"
        )
        images.append(
            f'<div class="scroll" tabindex="0" role="group" data-of="{name}" '
            f'data-scale="{text(scale)}" aria-label="scale {text(scale)}">'
            + page.image(
                root / scale / f"{name}.svg",
                f"{text(scale)}/{name}.svg",
                f"{page.described(name)}, scale {text(scale)}",
            )
            + "</div>"
        )
    more = " ".join(
        f'<a href="{text(scale)}/index.html#{name}">numbers and runs at {text(scale)}</a>'
        for scale in scales
    )
    return f"""<section id="{name}">
<h3>{number}: {words}</h3>
<fieldset class="switch" data-figure="{name}" hidden><legend>scale of {number}</legend>
{"".join(options)}</fieldset>
<figure>{"".join(images)}</figure>
<p class="files">{more}</p>
</section>"""
