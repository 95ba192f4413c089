"""The page paper_figures/<scale>/index.html: every figure beside the paper's, and every verdict.

One file that needs no network; figures are linked by relative path, so it works from disk and from
any host. Reads what stage `figures` wrote (CSV, captions); no pandas here: publishing takes a
moment. Equal inputs give an equal page.
"""

from collections import Counter
from pathlib import Path

from simclr.files import write_atomic
from workflow.catalog import title
from workflow.pages import ledger, page
from workflow.pages.page import RUNS, described, scale_links, shown_in, text

# Metrics in the tables of numbers, in this order; the CSV files have all of them.
SHOWN = {
    "linear_h": "linear evaluation on h (%)",
    "linear_top5_h": "top-5 on h (%)",
    "linear_z": "on z (%)",
    "knn_h": "kNN on h (%)",
    "supervised_top1": "supervised (%)",
    "contrastive_accuracy": "contrastive accuracy (%)",
    "contrastive_entropy": "contrastive entropy (nats)",
    "online_h": "online classifier (%)",
    "finetune_top1": "fine-tuned (%)",
    "transfer_top1": "logistic regression (%)",
    "silhouette_h": "silhouette of h",
    "silhouette_z": "silhouette of z",
    "spectrum_rank": "effective rank of W (%)",
    "spectrum_rank_random": "of a random matrix (%)",
    "neighbours_h": "neighbours of the class by h (%)",
    "neighbours_z": "by z (%)",
    **{
        f"probe_{task}_{kind}": f"{task} from {kind} (%)"
        for task in ("gray", "rotation", "noise", "sobel")
        for kind in ("h", "z")
    },
    "retrieval_plain_chi2": "same image, without distortion (%)",
    "retrieval_distorted_chi2": "with distortion (%)",
    "retrieval_chance": "chance (%)",
}


def write_index(folder: Path, scale: str, title: str) -> int:
    """Write index.html and claims.csv for the figures in `folder`; returns how many files changed.

    scale, title: the scale's name and its description in one line.
    """
    names = shown_in(folder)
    claims = ledger.collect(folder, names)
    changed = write_atomic(folder / "claims.csv", ledger.text_of(claims))
    parts = [_head(scale, title), _summary(claims), _contents(folder, names)]
    parts += [_figure(folder, name) for name in names]
    parts += [_claims(folder, claims), _data(folder)]
    links = scale_links(folder.parent, scale)
    made = page.document(f"SimCLR, recomputed: scale {scale}", "\n".join(parts), links)
    return changed + write_atomic(folder / "index.html", made)


def _head(scale: str, title: str) -> str:
    return f"""<h1>SimCLR, recomputed <span class="scale">scale {text(scale)}</span></h1>
<p class="lead">The figures and tables of <cite>A Simple Framework for Contrastive Learning of
Visual Representations</cite> (Chen, Kornblith, Norouzi and Hinton, ICML 2020,
<a href="https://arxiv.org/abs/2002.05709">arXiv 2002.05709</a>), recomputed on: {text(title)}. The
paper's numbers, of ResNet-50 on ImageNet, stand beside. Absolute values differ, of course: what
can be compared are directions, and each claim's verdict is computed from ours.</p>"""


def _summary(claims: list[dict]) -> str:
    """How many of the paper's claims have which verdict, and of their contrasts."""
    by_claim = ledger.by_claim(claims)
    found = Counter(ledger.verdict(rows) for rows in by_claim.values())
    each = Counter(row["verdict"] for row in claims)
    words = ", ".join(f"{each[verdict]} {verdict}" for verdict in page.MARKS)
    kept = Counter(row["verdict"] for row in claims if ledger.holds(row))
    return (
        page.counts(found, f"{len(by_claim)} claims") + f"\n<p>Of their {len(claims)} contrasts: "
        f"{words}. Corrected for their number (Holm), {kept['reproduced']} are reproduced and "
        f'{kept["contradicted"]} contradicted. <a href="#claims">All of them</a></p>'
    )


def _contents(folder: Path, names: list[str]) -> str:
    links = [f'<a href="#{name}">{text(title(name)[0])}</a>' for name in names]
    links.append('<a href="#claims">Claims</a>')
    links += ['<a href="#data">Data</a>'] * (folder / "data_card.md").is_file()
    return f'<nav class="contents" aria-label="figures">{" ".join(links)}</nav>'


def _figure(folder: Path, name: str) -> str:
    number, words = (text(part) for part in title(name))
    caption = text((folder / f"{name}.caption.md").read_text().strip())
    verdicts = "".join(
        f"<li>{page.badge(row['verdict'])} {text(row['id'])}: {text(row['contrast'])}"
        f"{_effect_text(row)}</li>"
        for row in ledger.read(folder / f"{name}.claims.csv")
    )
    alt = f"{described(name)}. The numbers stand in the table below."
    image = page.image(folder / f"{name}.svg", f"{name}.svg", alt)
    runs = f'<a href="{RUNS}#{name}">settings and provenance of its runs</a>'
    return f"""<section id="{name}">
<h2>{number}: {words}</h2>
<figure>
<div class="scroll" tabindex="0" role="group" aria-label="{described(name)}">
{image}</div>
<figcaption>{caption}</figcaption>
</figure>
<ul class="verdicts">{verdicts}</ul>
<details><summary>The numbers</summary>{_numbers(folder, name)}</details>
{_curves(folder, name)}<p class="files"><a href="{name}.svg">SVG</a> <a href="{name}.png">PNG</a>
<a href="{name}.csv">all metrics and seeds (CSV)</a>
<a href="{name}.summary.csv">means and intervals (CSV)</a>
{runs if (folder / RUNS).is_file() else ""}</p>
</section>"""


def _curves(folder: Path, name: str) -> str:
    """The training curves, where there are some: loaded when they are opened."""
    if not (folder / f"{name}.curves.svg").is_file():
        return ""
    alt = f"Training loss by epoch, a panel for each setting of {text(title(name)[0])}."
    return f"""<details><summary>Training curves</summary>
<div class="scroll" tabindex="0" role="group" aria-label="{alt}">
{page.image(folder / f"{name}.curves.svg", f"{name}.curves.svg", alt)}</div>
<p class="files"><a href="{name}.curves.csv">means over seeds (CSV)</a></p></details>
"""


def _data(folder: Path) -> str:
    """The first images of each class, and the data card, where they are published."""
    card = folder / "data_card.md"
    if not card.is_file():
        return ""
    counts = text(card.read_text().splitlines()[2])
    sheet = folder / "contact_sheet.png"
    return f"""<section id="data">
<h2>The data</h2>
<p>{counts} <a href="data_card.md">Data card</a></p>
<figure><div class="scroll" tabindex="0" role="group" aria-label="contact sheet">
{page.image(sheet, sheet.name, "The first training images, a row a class")}</div>
</figure>
</section>"""


def _numbers(folder: Path, name: str) -> str:
    """A table with a row per setting: mean and 95 % interval of its metrics."""
    rows = ledger.read(folder / f"{name}.summary.csv")
    present = {row["metric"] for row in rows}
    metrics = [metric for metric in SHOWN if metric in present]
    cells = {}
    for row in rows:
        cells.setdefault(row["setting"], {})[row["metric"]] = row
    lines = []
    for setting, found in cells.items():
        n = next(iter(found.values()))["n"]
        values = [_mean(found[metric]) if metric in found else "" for metric in metrics]
        lines.append(page.row([text(setting), *values, n]))
    header = ["setting", *(SHOWN[metric] for metric in metrics), "n"]
    return page.table(f"numbers-{name}", header, lines)


def _mean(row: dict) -> tuple[str, str]:
    digits = 2 if abs(float(row["mean"])) < 2 else 1
    words = f"{float(row['mean']):.{digits}f}"
    if row["low"]:
        words += f" ± {(float(row['high']) - float(row['low'])) / 2:.{digits}f}"
    return words, row["mean"]


def _effect_text(row: dict) -> str:
    return f" ({page.effect(ledger.effect(row))})" if row["effect"] else ""


def _claims(folder: Path, claims: list[dict]) -> str:
    lines, seen = [], set()
    for row in claims:
        name, verdict = row["experiment"], row["verdict"]
        links = [f'<a href="#{name}">{text(title(name)[0])}</a>'] if name else []
        if name and (folder / RUNS).is_file():
            links.append(f'<a href="{RUNS}#{name}">runs</a>')
        mark = page.badge(verdict, " *" * ledger.holds(row))
        effect = page.effect(ledger.effect(row)), row["effect"]
        cells = [text(row["id"]), text(row["claim"]), mark, text(row["contrast"]), effect]
        cells += [text(row["paper_effect"]), ", ".join(links)]
        about = f'data-verdict="{page.kind(verdict)}" data-experiment="{text(name)}"'
        about += f' data-effect="{row["effect"]}"'
        if row["id"] not in seen:
            about += f' id="{text(row["id"])}"'
        seen.add(row["id"])
        lines.append(page.row(cells, about))
    header = ["id", "claim of the paper", "verdict", "our contrast", "our effect"]
    header += ["the paper's effect", "figure"]
    made = page.table("ledger", header, lines, "sortable wide")
    verdicts = [page.kind(verdict) for verdict in page.MARKS]
    experiments = {r["experiment"]: title(r["experiment"])[0] for r in claims if r["experiment"]}
    return f"""<section id="claims">
<h2>The paper's claims</h2>
<p>A contrast is computed within every seed, then averaged; brackets are its 95 % interval over the
seeds (Student t). <b>Reproduced</b>: the interval excludes zero on the paper's side;
<b>contradicted</b>: on the other side; <b>inconclusive</b>: it includes zero. What is claimed to
hardly matter is judged against the margin that is named with it. An asterisk: so also at 5 % after
correction for the number of contrasts (Holm). Of several contrasts of a claim all must be
reproduced for it to be. Nothing here is typed in. <a href="claims.csv">claims.csv</a></p>
{page.filters("ledger", verdicts, experiments, effect=True)}
{made}
</section>"""
