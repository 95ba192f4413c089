"""Write the numbers of README.md, and all of docs/claims.md, findings.md and noise.md.

    python -m workflow.docs.readme

rewrites what stands in the README between `<!-- NAME -->` and `<!-- end -->`, for the names in
SECTIONS. Numbers come from the published metrics and figures, from the plans of the scales, and
from the log of a newcomer's commands. A test compares, so no number there is typed.
"""

import functools
import re

import yaml

from simclr import files
from workflow.docs import claims_page, findings_page, found, markdown, noise_page
from workflow.pages import against_compute, extent
from workflow.planning import estimates
from workflow.planning.plan import Plan
from workflow.planning.planner import build_plan
from workflow.planning.scale import SCALES
from workflow.planning.summary import duration
from workflow.publishing import published

README = files.ROOT / "README.md"
PAGES = {  # in docs/
    "claims.md": claims_page.page,
    "findings.md": findings_page.page,
    "noise.md": noise_page.page,
}
SECTION = re.compile(r"(<!-- (\w+) -->).*?(<!-- end -->)", re.DOTALL)
CORES = 2  # as in the log; the time of the largest scale is by plan
IMAGES = {  # data source -> how one comes by its images
    "patterns": "drawn, no download",
    "cifar10": "CIFAR-10, downloaded",
    "folder": "CIFAR-10 as a folder",
    "imagenet": "your copy of ImageNet",
}


def filled(text: str) -> str:
    """Return the README's text with every section as published, planned and logged now."""
    return SECTION.sub(lambda match: match[1] + SECTIONS[match[2]]() + match[3], text)


def picture() -> str:
    """Return the figure of claims against compute."""
    root = files.ROOT / "paper_figures"
    took = against_compute.costs(root)
    costs = "; ".join(f"`{name}` {cost}" for name, cost in took.items())
    figure = f"paper_figures/{against_compute.FIGURE}.png"
    return (
        "\n![Of each claim of the paper the effect with its interval, at every computed scale]"
        f"({figure})\n\n{against_compute.TITLE}: {costs}. Right of the line a claim agrees with "
        f"the paper. [All numbers](paper_figures/{against_compute.CSV})\n"
    )


def sentences() -> str:
    """Return what was found, and what was not run."""
    lines = found.sentences(files.ROOT / "paper_figures")
    missing = [name for name, plan in _plans().items() if _computed(plan) == "no"]
    if missing:
        names = ", ".join(f"`{name}`" for name in missing)
        lines.append(f"* **Not run** ([their cost](#scales)): {names}.")
    if "imagenet" in missing:
        lines[-1] += " So nothing here says what SimCLR does on ImageNet."
    return "\n" + "\n".join(lines) + "\n"


def scales() -> str:
    """Return a table of the scales, from little compute to much, and which are computed."""
    lines = [["scale", "what", "images", "takes, by plan", "computed?"]]
    for name, plan in _plans().items():
        source = plan.scale_data.settings.source
        images = IMAGES.get(source, f"source `{source}`")
        about = [f"`{name}`", plan.scale.title, images, _planned_hours(plan), _computed(plan)]
        lines.append(about)
    return "\n" + markdown.table(lines, numbers=False)


def night() -> str:
    """Return how long the largest scale that needs no GPU takes, and its command."""
    own = {name: plan for name, plan in _plans().items() if plan.scale.device == "cpu"}
    name = [name for name in own if "extends" not in _yaml(name)][-1]
    took = duration(estimates.fleet(own[name], CORES).seconds)
    command = f"snakemake --cores all --config scale={name}"
    return f"**{took}** on {CORES} cores, by plan: `{command}`"


def made() -> str:
    """Return the time of `make` in a fresh clone, the installation included."""
    return duration(_logged()["make"])


def machine() -> str:
    """Return where and when the newcomer's commands ran."""
    day, hardware = re.findall(r"^# (.+)$", files.read_text(_log()), re.MULTILINE)[:2]
    return f"{hardware}; n = 1, {re.search(r'[0-9]{4}-[0-9]{2}-[0-9]{2}', day)[0]}"


SECTIONS = {
    "picture": picture,
    "found": sentences,
    "made": made,
    "night": night,
    "machine": machine,
    "scales": scales,
}


def _log():
    return files.ROOT / "docs" / "logs" / "newcomer.txt"


def _logged() -> dict[str, float]:
    """Return {command: seconds} of the newcomer's log."""
    found_there = re.findall(
        r"^\$ (.+)$(?:\n(?!\$ ).*)*?\n\[exit status 0, (?:(\d+) min )?([\d.]+) s\]$",
        files.read_text(_log()),
        re.MULTILINE,
    )
    return {what: 60 * int(minutes or 0) + float(s) for what, minutes, s in found_there}


@functools.cache
def _plans() -> dict[str, Plan]:
    """Return the plans of all scales, from little compute to much."""
    plans = {path.stem: build_plan(path.stem) for path in sorted(SCALES.glob("*.yaml"))}
    return dict(sorted(plans.items(), key=lambda item: extent.by_cost(_hours(item[1]))))


def _hours(plan: Plan) -> dict[str, float]:
    """Return {unit: hours} that all results of a scale take by plan."""
    unit = "GPU-hours" if plan.scale.device == "cuda" else "core-hours"
    return {unit: sum(each for _, each in estimates.hours(plan).values())}


def _planned_hours(plan: Plan) -> str:
    return extent.text(_hours(plan))


def _yaml(scale: str) -> dict:
    return yaml.safe_load(files.read_text(SCALES / f"{scale}.yaml"))


def _lines(plan: Plan) -> list[dict]:
    path = files.ROOT / published.published_file(plan.name)
    return published.read_lines(path) if path.is_file() else []


def _computed(plan: Plan) -> str:
    """Return whether a scale's planned results are published, under whatever key."""
    lines = _lines(plan)
    planned, there = published.measured(plan), len(extent.shown(plan, lines))
    if not there:
        return "no"
    text = "**yes**" if there == len(planned) else f"in part: {there:,} of {len(planned):,} results"
    if not {one.key for one in planned} & {line["key"] for line in lines}:
        text += ", by earlier code ([changelog](CHANGELOG.md))"
    return text


def main() -> None:
    """Write the README and the pages."""
    files.write_atomic(README, filled(files.read_text(README)))
    for name, page in PAGES.items():
        files.write_atomic(files.ROOT / "docs" / name, page())


if __name__ == "__main__":
    main()
