"""The page paper_figures/<scale>/runs.html: behind every figure its runs, and where they came from.

For each setting of each experiment: what differs from the scale's base setting, all resolved
settings, and per seed the key, durations, hardware, versions and code fingerprint as published in
data/published/<scale>.jsonl. Only published facts are shown, so the page is the same for everybody.
"""

import json
from pathlib import Path

from simclr.config import build, merge, to_dict
from simclr.files import write_atomic
from simclr.settings import STAGES
from workflow import catalog
from workflow.pages import page
from workflow.pages.page import text


def write_runs(plan, published: dict[str, dict], folder: Path) -> bool:
    """Write runs.html; published: key -> line, as publish.read_published gives. Returns whether it
    changed."""
    parts = [
        f'<h1>Runs <span class="scale">scale {text(plan.name)}</span></h1>',
        "<p>A result is named by its key, the hash of its settings, code and inputs. "
        f"<code>simclr show {text(plan.name)} KEY</code> prints the whole provenance where it was "
        'computed. <a href="index.html">Figures</a></p>',
    ]
    planned = {one.name for one in plan.of("figures")}
    for name in filter(planned.__contains__, page.shown_in(folder)):
        parts.append(_experiment(plan, name, published))
    links = page.scale_links(folder.parent, plan.name)
    made = page.document(f"Runs: scale {plan.name}", "\n".join(parts), links)
    return write_atomic(folder / page.RUNS, made)


def _experiment(plan, name: str, published: dict) -> str:
    figure = plan.figure(name)
    by_setting = {}
    for row in figure.settings["rows"]:
        _, key = figure.inputs[f"{row['setting']}.s{row['seed']}"]
        by_setting.setdefault(row["setting"], []).append((row["seed"], plan.instances[key]))
    lines = [_setting(plan, setting, runs, published) for setting, runs in by_setting.items()]
    number, words = (text(part) for part in catalog.title(name))
    return f"""<section id="{name}"><h2>{number}: {words}</h2>
<p><a href="index.html#{name}">The figure</a></p>
{"".join(lines)}</section>"""


def _setting(plan, setting: str, runs: list, published: dict) -> str:
    first = runs[0][1]
    trained = _trained(plan, first)
    source = trained or first
    differing = _differences(plan, source)
    said = ", ".join(f"{key} = {value}" for key, value in differing.items()) or "the base setting"
    chain = [first] if trained is None else [trained, first]
    settings = "".join(
        f"<pre>{text(one.stage)} {text(json.dumps(_seedless(one), sort_keys=True))}</pre>"
        for one in chain
    )
    rows = [_run(plan, seed, instance, published) for seed, instance in runs]
    header = "".join(f'<th scope="col">{cell}</th>' for cell in RUN)
    return f"""<details><summary>{text(setting)}: {text(source.stage)}, {text(said)}</summary>
<div class="scroll" tabindex="0" role="region" aria-label="runs of {text(setting)}"><table>
<thead><tr>{header}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>
{settings}</details>
"""


RUN = ("seed", "key", "trained in", "measured in", "hardware", "versions", "code")


def _trained(plan, instance):
    """The training whose encoder the instance looks at, or None."""
    if "encoder" not in instance.inputs:
        return None
    return plan.instances[instance.inputs["encoder"][1]]


def _seedless(instance) -> dict:
    return {name: value for name, value in instance.settings.items() if name != "seed"}


def _differences(plan, instance) -> dict:
    """Settings by dotted name that differ from the scale's base of the stage."""
    cls, _ = STAGES[instance.stage]
    base = merge(plan.scale.devices(cls), plan.scale.base.get(instance.stage, {}))
    return _changed(to_dict(build(cls, base)), _seedless(instance))


def _changed(base: dict, settings: dict, prefix: str = "") -> dict:
    found = {}
    for name, value in settings.items():
        if isinstance(value, dict):
            found |= _changed(base.get(name) or {}, value, f"{prefix}{name}.")
        elif base.get(name) != value:
            found[prefix + name] = " ".join(map(str, value)) if isinstance(value, list) else value
    return found


def _run(plan, seed: int, instance, published: dict) -> str:
    line = published.get(instance.key)
    if line is None:
        return page.row([str(seed), f"<code>{instance.key}</code>", "not published", *[""] * 4])
    versions = " ".join(f"{name} {number}" for name, number in sorted(line["versions"].items()))
    return page.row(
        [
            str(seed),
            f"<code>{text(instance.key)}</code>",
            _seconds(line.get("training", {}).get("seconds")),
            _seconds(line.get("seconds")),
            text(line["hardware"]),
            text(versions),
            f"<code>{text(line['code'][:12])}</code>",
        ]
    )


def _seconds(value) -> str:
    return "" if value is None else f"{value:.1f} s"
