"""Write docs/planning.md: what the paper costs at each scale, on one machine and on many.

    python -m workflow.docs.cost_page               # the page; a test compares it with the scales
    python -m workflow.docs.cost_page --check tiny  # estimates against recorded durations
    python -m workflow.docs.cost_page --record tiny # record the durations of the published runs

Hours come from workflow/planning/cost.py and the rates of each scale, which says whether they are
measured. No number is typed in: durations are those of benchmarks/results/durations-*.json,
recorded after a run on a machine that did little else; the workflow's own cost is that of
overhead.json.
"""

import argparse
import statistics
from pathlib import Path

import jinja2

from simclr import files
from workflow.docs import durations
from workflow.docs.markdown import table
from workflow.planning import cost
from workflow.planning.estimates import Fleet, fleet, hours
from workflow.planning.plan import work_of
from workflow.planning.planner import build_plan
from workflow.planning.summary import duration

PAGE = files.ROOT / "docs" / "planning.md"
OVERHEAD = files.ROOT / "benchmarks" / "results" / "overhead.json"
LOADER = OVERHEAD.with_name("loader.json")
SCALES = ("tiny", "small", "medium", "medium-gpu", "cifar10", "imagenet")
CHECKED = ("tiny", "small")  # those whose runs are published
COUNTS = (1, 8, 128)  # cores, or GPUs
READERS = {"ours": "packed", "DataLoader": "decoding JPEG"}  # of benchmarks/loader.py
TEMPLATE = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent),
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    keep_trailing_newline=True,
).get_template("planning.md.j2")


def page() -> str:
    """Return the page, from the present scales, recorded durations and benchmarks."""
    plans = {name: build_plan(name) for name in SCALES}
    fleets = {(name, count): fleet(plan, count) for name, plan in plans.items() for count in COUNTS}
    hours_of = {name: hours(plan) for name, plan in plans.items()}
    loader, overhead = map(files.read_json, (LOADER, OVERHEAD))
    return TEMPLATE.render(
        counts=COUNTS,
        plans=plans.values(),
        imagenet=plans["imagenet"],
        overview=_overview(plans, fleets, hours_of),
        room=[
            _room(plans[name], count, found)
            for (name, count), found in fleets.items()
            if found.homeless or found.recomputed
        ],
        by_experiment={name: _by_experiment(plans[name], hours_of[name]) for name in plans},
        hours={name: _total(hours_of[name]) for name in plans},
        recorded={scale: durations.recorded(scale) for scale in CHECKED},
        checks={scale: durations.check_table(scale) for scale in CHECKED},
        loader=loader,
        loading=_loading(plans["imagenet"], loader),
        overhead=overhead,
        versions=", ".join(f"{name} {number}" for name, number in overhead["versions"].items()),
        overheads={what: _overhead(case) for what, case in overhead["cases"].items()},
    )


def _overview(plans: dict, fleets: dict, hours_of: dict) -> str:
    """A line for each scale: its results, its hours and its time on each number of cores."""
    lines = [["scale", "results", "seeds", "hours", *(f"on {count}" for count in COUNTS)]]
    for name, plan in plans.items():
        results, seeds = f"{len(plan.instances):,}", f"{len(plan.scale.seeds)}"
        total = f"{_total(hours_of[name]):,.1f} {_unit(plan)}"
        times = [_time(fleets[name, count]) for count in COUNTS]
        lines.append([f"`{name}`", results, seeds, total, *times])
    return table(lines)


def _unit(plan) -> str:
    return "GPU-hours" if plan.scale.device == "cuda" else "core-hours"


def _total(by_experiment: dict) -> float:
    return sum(each for _, each in by_experiment.values())


def _time(found: Fleet) -> str:
    if found.homeless:
        return "no room"
    return duration(found.seconds) + (" (a chain)" if found.is_chain else "")


def _room(plan, count: int, found: Fleet) -> str:
    """Which trainings of a scale have no room on `count` GPUs."""
    trainings = [i for i in plan.instances.values() if i.stage.trains]
    text = (
        f"`{plan.name}` on {count} GPU{'s' if count > 1 else ''} of "
        f"{plan.scale.gpu_gigabytes:g} GB: of {len(trainings):,} trainings "
        f"{found.recomputed:,} need `recompute`"
    )
    if found.homeless:
        text += f", and {len(found.homeless):,} have no room even so"
        if found.needed:
            text += f"; the largest needs {found.needed} GPUs"
    return text


def _by_experiment(plan, by_experiment: dict) -> str:
    """A line for each experiment of a scale, in the order in which they are computed."""
    total = _total(by_experiment)
    every = sum(count for count, _ in by_experiment.values()), total
    lines = [["experiment", "results", _unit(plan), "share"]]
    for name, (count, each) in {**by_experiment, "all": every}.items():
        lines.append([name, f"{count:,}", f"{each:,.2f}", f"{each / total:.0%}"])
    return table(lines)


def _loading(plan, loader: dict) -> dict:
    """Images per second that one GPU needs, and the cores that supply them, of ImageNet."""
    ((what, case),) = loader["cases"].items()
    rates = {
        label: case["count"] / statistics.median(case["seconds"][reader])
        for reader, label in READERS.items()
    }
    lines = [["ResNet-50, one GPU", "images/s", *(f"cores, {label}" for label in rates)]]
    for stage in ("pretrain", "evaluate"):
        needed = _images_a_second(plan, stage)
        cores = [f"{needed / rate:,.1f}" for rate in rates.values()]
        lines.append([stage, f"{needed:,.0f}", *cores])
    return {"case": what, "rates": rates, "table": table(lines)}


def _images_a_second(plan, stage: str) -> float:
    """Images per second that one GPU takes in a stage with the scale's base settings."""
    instance = next(one for one in plan.of(stage) if "table5" in one.experiments)
    work = work_of(instance, plan.scale)
    passes = 2 if stage == "pretrain" else 1 / 3  # evaluation has only forward passes
    return cost.images_a_second(instance.settings, work, passes)


def _overhead(case: dict) -> dict:
    """Seconds that the workflow itself takes, as benchmarks/overhead.py measured them."""
    lines = [["", "median, s", "least", "most"]]
    for name, seconds in case["seconds"].items():
        values = statistics.median(seconds), min(seconds), max(seconds)
        lines.append([name, *(f"{value:.2f}" for value in values)])
    load = " to ".join(f"{value:.1f}" for value in sorted(case["load"]))
    return {"load": load, "table": table(lines)}


def main() -> None:
    """Write the page, print a check, or record durations."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", metavar="SCALE", help="print estimates against recorded runs")
    parser.add_argument("--record", metavar="SCALE", help="record those of the published runs")
    arguments = parser.parse_args()
    if arguments.record:
        durations.record(arguments.record)
    elif arguments.check:
        print(durations.check_table(arguments.check), end="")
    else:
        files.write_atomic(PAGE, page())


if __name__ == "__main__":
    main()
