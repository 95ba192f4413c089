"""The page paper_figures/<scale>/index.html: every figure beside the paper's, and every verdict.

One file without scripts and without anything from the network; figures are linked by relative
path, so it works from disk and from any host. Reads what stage `figures` wrote (CSV, captions); no
pandas here: publishing takes a moment. Equal inputs give an equal page.
"""

import csv
import html
import importlib
import io
from collections import Counter
from pathlib import Path

from simclr.results import write_atomic
from workflow.experiments import ORDER

MARKS = {"reproduced": "✓", "contradicted": "✗", "inconclusive": "?", "not tested": "–"}
# Metrics in the tables of numbers, in this order; the CSV files have all of them.
SHOWN = {
    "linear_h": "linear evaluation on h (%)",
    "linear_z": "on z (%)",
    "knn_h": "kNN on h (%)",
    "supervised_top1": "supervised (%)",
    "contrastive_accuracy": "contrastive accuracy (%)",
    "contrastive_entropy": "contrastive entropy (nats)",
    "retrieval_plain_chi2": "same image, without distortion (%)",
    "retrieval_distorted_chi2": "with distortion (%)",
    "retrieval_chance": "chance (%)",
}


def write_index(folder: Path, scale: str, title: str) -> int:
    """Write index.html and claims.csv for the figures in `folder`; returns how many files changed.

    scale, title: the scale's name and its description in one line.
    """
    names = [name for name in ORDER if (folder / f"{name}.svg").is_file()]
    names.sort(key=_paper_order)
    claims = [row for name in names for row in _rows(folder / f"{name}.claims.csv")]
    claims.sort(key=lambda row: row["id"])  # stable: contrasts keep their order
    changed = write_atomic(folder / "claims.csv", _csv(claims)) if claims else False
    parts = [_head(scale, title), _summary(claims), _contents(folder, names)]
    parts += [_figure(folder, name) for name in names]
    parts += [_claims(claims), _data(folder), "</main>\n</body>\n</html>\n"]
    return changed + write_atomic(folder / "index.html", "\n".join(parts))


def _paper_order(name: str) -> tuple:
    """Figures 5 to 9, then the tables: as a reader of the paper would look for them."""
    kind = name.rstrip("0123456789")
    return kind != "fig", int(name.removeprefix(kind) or 0)


def _rows(path: Path) -> list[dict]:
    if not path.is_file():
        return []
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def _csv(rows: list[dict]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _head(scale: str, title: str) -> str:
    scale, title = html.escape(scale), html.escape(title)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>SimCLR, recomputed: scale {scale}</title>
<style>{STYLE}</style>
</head>
<body>
<main>
<h1>SimCLR, recomputed <span class="scale">scale {scale}</span></h1>
<p class="lead">The figures and tables of <cite>A Simple Framework for Contrastive Learning of
Visual Representations</cite> (Chen, Kornblith, Norouzi and Hinton, ICML 2020,
<a href="https://arxiv.org/abs/2002.05709">arXiv 2002.05709</a>), recomputed on: {title}. The
paper's numbers, of ResNet-50 on ImageNet, stand beside. Absolute values differ, of course: what
can be compared are directions, and each claim's verdict is computed from ours.</p>"""


def _summary(claims: list[dict]) -> str:
    counts = Counter(row["verdict"] for row in claims)
    items = [
        f'<li class="{_kind(verdict)}">{mark} <b>{counts[verdict]}</b> {verdict}</li>'
        for verdict, mark in MARKS.items()
    ]
    items.append(f"<li>of {len(claims)} contrasts</li>")
    return f'<ul class="counts" aria-label="verdicts">{"".join(items)}</ul>'


def _contents(folder: Path, names: list[str]) -> str:
    links = [f'<a href="#{name}">{html.escape(_title(name)[0])}</a>' for name in names]
    links.append('<a href="#claims">Claims</a>')
    links += ['<a href="#data">Data</a>'] * (folder / "data_card.md").is_file()
    return f'<nav aria-label="figures">{" ".join(links)}</nav>'


def _title(name: str) -> list[str]:
    """["Figure 8", "projection heads"]"""
    return importlib.import_module(f"workflow.experiments.{name}").TITLE.split(": ", 1)


def _figure(folder: Path, name: str) -> str:
    number, title = (html.escape(text) for text in _title(name))
    caption = html.escape((folder / f"{name}.caption.md").read_text().strip())
    claims = _rows(folder / f"{name}.claims.csv")
    verdicts = "".join(
        f'<li><span class="badge {_kind(row["verdict"])}">{MARKS[row["verdict"]]} '
        f"{row['verdict']}</span> {html.escape(row['id'])}: {html.escape(row['contrast'])}"
        f"{_effect_text(row)}</li>"
        for row in claims
    )
    alt = html.escape(f"{_title(name)[0]}, this replication beside the paper: {_title(name)[1]}")
    return f"""<section id="{name}">
<h2>{number}: {title}</h2>
<figure>
<div class="scroll" tabindex="0" role="group" aria-label="{alt}">
<img src="{name}.svg" alt="{alt}. The numbers stand in the table below." loading="lazy"></div>
<figcaption>{caption}</figcaption>
</figure>
<ul class="verdicts">{verdicts}</ul>
<details><summary>The numbers</summary>{_numbers(folder, name)}</details>
<p class="files"><a href="{name}.svg">SVG</a> <a href="{name}.png">PNG</a>
<a href="{name}.csv">all metrics and seeds (CSV)</a>
<a href="{name}.summary.csv">means and intervals (CSV)</a></p>
</section>"""


def _data(folder: Path) -> str:
    """The first images of each class, and the data card, where they are published."""
    card = folder / "data_card.md"
    if not card.is_file():
        return ""
    counts = html.escape(card.read_text().splitlines()[2])
    return f"""<section id="data">
<h2>The data</h2>
<p>{counts} <a href="data_card.md">Data card</a></p>
<figure><img src="contact_sheet.png" alt="The first training images, a row a class" loading="lazy">
</figure>
</section>"""


def _numbers(folder: Path, name: str) -> str:
    """A table with a row per setting: mean and 95 % interval of its metrics."""
    rows = _rows(folder / f"{name}.summary.csv")
    present = {row["metric"] for row in rows}
    metrics = [metric for metric in SHOWN if metric in present]
    cells = {}
    for row in rows:
        cells.setdefault(row["setting"], {})[row["metric"]] = row
    lines = [_line("th", ["setting", *(SHOWN[metric] for metric in metrics), "n"])]
    for setting, found in cells.items():
        n = next(iter(found.values()))["n"]
        values = [_mean(found[metric]) if metric in found else "" for metric in metrics]
        lines.append(_line("td", [setting, *values, n]))
    return f'<div class="scroll" tabindex="0"><table>{"".join(lines)}</table></div>'


def _line(tag: str, cells: list[str]) -> str:
    return f"<tr>{''.join(f'<{tag}>{html.escape(cell)}</{tag}>' for cell in cells)}</tr>\n"


def _mean(row: dict) -> str:
    if not row["low"]:
        return f"{float(row['mean']):.1f}"
    return f"{float(row['mean']):.1f} ± {(float(row['high']) - float(row['low'])) / 2:.1f}"


def _kind(verdict: str) -> str:
    return verdict.replace(" ", "-")


def _effect_text(row: dict) -> str:
    return f" ({html.escape(_effect(row))})" if row["effect"] else ""


def _effect(row: dict) -> str:
    """'+3.2 pp [1.0, 5.4], n=3'"""
    if not row["effect"]:
        return ""
    digits = 1 if row["unit"] == "pp" else 2
    text = f"{float(row['effect']):+.{digits}f} {row['unit']}"
    if row["low"]:
        text += f" [{float(row['low']):.{digits}f}, {float(row['high']):.{digits}f}]"
    return f"{text}, n={row['n']}"


def _claims(claims: list[dict]) -> str:
    lines = []
    for row in claims:
        verdict = row["verdict"]
        badge = f'<span class="badge {_kind(verdict)}">{MARKS[verdict]} {verdict}</span>'
        words = [row["id"], row["claim"], row["contrast"], _effect(row), row["paper_effect"]]
        cells = "".join(f"<td>{html.escape(word)}</td>" for word in words)
        link = f'<a href="#{row["experiment"]}">{html.escape(_title(row["experiment"])[0])}</a>'
        lines.append(f"<tr>{cells}<td>{badge}</td><td>{link}</td></tr>")
    names = ("id", "claim of the paper", "our contrast", "our effect", "the paper's effect")
    header = _line("th", [*names, "verdict", "figure"])
    return f"""<section id="claims">
<h2>The paper's claims</h2>
<p>A contrast is computed within every seed, then averaged; brackets are its 95 % interval over the
seeds (Student t, not corrected for the number of claims). <b>Reproduced</b>: the interval excludes
zero on the paper's side; <b>contradicted</b>: on the other side; <b>inconclusive</b>: it includes
zero. What is claimed to hardly matter is judged against the margin that is named with it. Nothing
here is typed in. <a href="claims.csv">claims.csv</a></p>
<div class="scroll" tabindex="0"><table class="claims">{header}{"".join(lines)}</table></div>
</section>"""


STYLE = """
:root{color-scheme:light dark;--ink:#1b1f24;--soft:#57606a;--paper:#fff;--line:#d8dee4;
--link:#0969da;
--good:#116329;--bad:#a40e26;--open:#5f4b00;--none:#57606a;--tint:#f6f8fa}
@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--soft:#9da7b3;--paper:#0d1117;
--line:#30363d;
--link:#6cb6ff;--good:#7ee787;--bad:#ff9492;--open:#f0c85a;--none:#9da7b3;--tint:#161b22}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
main{max-width:60rem;margin:0 auto;padding:1rem}
h1{font-size:1.7rem;line-height:1.2;margin:.5rem 0}
h2{font-size:1.25rem;margin:2.5rem 0 .5rem}
.scale{color:var(--soft);font-weight:400;font-size:1.1rem;white-space:nowrap}
a{color:var(--link)}
nav{display:flex;flex-wrap:wrap;gap:.3rem 1rem;margin:1rem 0}
.counts{display:flex;flex-wrap:wrap;gap:.3rem 1.2rem;list-style:none;padding:0;margin:1rem 0}
.reproduced{color:var(--good)}.contradicted{color:var(--bad)}
.inconclusive{color:var(--open)}.not-tested{color:var(--none)}
.badge{display:inline-block;border:1px solid currentColor;border-radius:1em;padding:0 .6em;
font-size:.8rem;white-space:nowrap}
figure{margin:0}
figcaption{color:var(--soft);font-size:.92rem;margin:.5rem 0}
.scroll{overflow-x:auto;max-width:100%}
figure .scroll{background:#fff;border:1px solid var(--line);border-radius:8px}
img{display:block;width:100%;
min-width:36rem;max-width:52rem;height:auto;margin:0 auto;padding:.4rem}
.verdicts{list-style:none;padding:0;margin:.5rem 0}.verdicts li{margin:.35rem 0}
table{border-collapse:collapse;font-size:.88rem;margin:.5rem 0}
th,td{border-bottom:1px solid var(--line);padding:.3rem .6rem;text-align:left;vertical-align:top}
th{background:var(--tint)}
td{font-variant-numeric:tabular-nums}
.claims{min-width:52rem}
.files{font-size:.9rem;display:flex;flex-wrap:wrap;gap:.2rem 1rem}
summary{cursor:pointer;color:var(--link)}
:focus-visible{outline:2px solid var(--link);outline-offset:2px}
"""
