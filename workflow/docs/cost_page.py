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
import json
import statistics

from simclr import files
from simclr.store.runner import TRAINING
from workflow.docs import durations
from workflow.docs.markdown import table
from workflow.planning import cost
from workflow.planning.estimates import Fleet, fleet, hours
from workflow.planning.planner import build_plan
from workflow.planning.summary import duration

PAGE = files.ROOT / "docs" / "planning.md"
OVERHEAD = files.ROOT / "benchmarks" / "results" / "overhead.json"
LOADER = OVERHEAD.with_name("loader.json")
SCALES = ("tiny", "small", "cifar10", "imagenet")
CHECKED = ("tiny", "small")  # those whose runs are published
COUNTS = (1, 8, 128)  # cores, or GPUs
INTRODUCTION = """\
# Planning: what the paper costs

This page is written by `python -m workflow.docs.cost_page`, from the scales and the benchmarks.
`simclr plan SCALE` prints the hours of every experiment of a scale, less what is there already.

Hours rest on three rates of each scale (`gmacs_per_second`, `gelements_per_second`,
`step_milliseconds`); below the table stands on what these were measured, or that they are assumed.
Put those of your hardware into the scale, and all hours follow.

Runs are independent, so they share cores or GPUs evenly, whatever the number; no number makes the
longest chain of runs that need each other shorter. Each network is trained on as few GPUs as have
the memory for its batch, recomputing the insides of blocks (`recompute`) where all GPUs together
have no room otherwise. A scale whose own `gpus` have no room for a batch is refused when it is
planned, with the number that would have.
"""


def page() -> str:
    """Return the page, from the present scales, recorded durations and benchmarks."""
    plans = {name: build_plan(name) for name in SCALES}
    return "\n".join(
        [
            INTRODUCTION,
            _overview(plans),
            *(_by_experiment(plan) for plan in plans.values()),
            _check(),
            _loading(plans["imagenet"], json.loads(LOADER.read_text())),
            _overhead(json.loads(OVERHEAD.read_text())),
        ]
    )


def _overview(plans: dict) -> str:
    """A line for each scale, and what its rates and its room on GPUs are."""
    lines = [["scale", "results", "seeds", "hours", *(f"on {count}" for count in COUNTS)]]
    notes = [f"* `{name}`: rates {plan.settings.basis}.\n" for name, plan in plans.items()]
    for name, plan in plans.items():
        fleets = {count: fleet(plan, count) for count in COUNTS}
        unit = "GPU" if plan.settings.device == "cuda" else "core"
        total = sum(each for _, each in hours(plan).values())
        lines.append(
            [
                f"`{name}`",
                f"{len(plan.instances):,}",
                f"{len(plan.settings.seeds)}",
                f"{total:,.1f} {unit}-hours",
                *map(_time, fleets.values()),
            ]
        )
        notes += [
            _room(plan, count, each)
            for count, each in fleets.items()
            if unit == "GPU" and (each.homeless or each.recomputed)
        ]
    return (
        f"## Each scale on {', '.join(map(str, COUNTS[:-1]))} and {COUNTS[-1]} cores or GPUs\n\n"
        f"{table(lines)}\n(a chain): more cores or GPUs would not help. Hours of `imagenet` are "
        f"those on {plans['imagenet'].settings.gpus} GPUs for a network, as the scale has it.\n\n"
        f"{''.join(notes)}"
    )


def _time(found: Fleet) -> str:
    if found.homeless:
        return "no room"
    return duration(found.seconds) + (" (a chain)" if found.is_chain else "")


def _room(plan, count: int, found: Fleet) -> str:
    """A line: which trainings of a scale have no room on `count` GPUs."""
    text = (
        f"* `{plan.scale}` on {count} GPU{'s' if count > 1 else ''} of "
        f"{plan.settings.gpu_gigabytes:g} GB: of {len(plan.of(*TRAINING)):,} trainings "
        f"{found.recomputed:,} need `recompute`"
    )
    if found.homeless:
        text += f", and {len(found.homeless):,} have no room even so"
        if found.needed:
            text += f"; the largest needs {found.needed} GPUs"
    return text + ".\n"


def _by_experiment(plan) -> str:
    """A line for each experiment of a scale, in the order in which they are computed."""
    unit = "GPU-hours" if plan.settings.device == "cuda" else "core-hours"
    by_experiment = hours(plan)
    results, total = (sum(column) for column in zip(*by_experiment.values(), strict=True))
    lines = [["experiment", "results", unit, "share"]]
    for name, (count, each) in [*by_experiment.items(), ("all", (results, total))]:
        lines.append([name, f"{count:,}", f"{each:,.2f}", f"{each / total:.0%}"])
    basis = "measured" if plan.settings.measured else "assumed"
    text = f"### `{plan.scale}`: where the hours go ({basis} rates)\n\n{table(lines)}"
    if plan.settings.device == "cuda" and len(plan.settings.seeds) > 1:
        text += f"\nOne seed alone: about {total / len(plan.settings.seeds):,.0f} {unit}.\n"
    return text


def _check() -> str:
    """Estimated against measured seconds of the published scales."""
    parts = [
        "## Do the estimates hold?\n\nEstimated against measured seconds of every result, on one "
        "core (`python -m workflow.docs.cost_page --check tiny`). Least and most: the ratio of a "
        "single result.\n"
    ]
    for scale in CHECKED:
        about = durations.recorded(scale)
        where = f"{about['hardware']}, recorded {about['recorded']}"
        parts.append(f"`{scale}`, {where}:\n\n{durations.check_table(scale)}")
    return "\n".join(parts)


def _loading(plan, loader: dict) -> str:
    """Images per second that one GPU needs, and the cores that supply them, of ImageNet."""
    readers = {"ours": "packed", "DataLoader": "decoding JPEG"}
    ((what, case),) = loader["cases"].items()
    rates = {name: case["count"] / statistics.median(case["seconds"][name]) for name in readers}
    lines = [["ResNet-50, one GPU", "images/s", *(f"cores, {name}" for name in readers.values())]]
    for stage in ("pretrain", "evaluate"):
        needed = _images_a_second(plan, stage)
        cores = [f"{needed / rate:,.1f}" for rate in rates.values()]
        lines.append([stage, f"{needed:,.0f}", *cores])
    each = ", ".join(f"{rates[name]:,.0f} images/s {about}" for name, about in readers.items())
    return (
        "## Can the disk's side keep up?\n\nA GPU of `imagenet` takes so many images in a second "
        "(by the scale's rates, views and steps left out: the most), and so many cores bring them: "
        f"one core brought {each} ({what}; `{loader['command']}`: {loader['hardware']}, "
        f"n = {loader['n']}, {loader['date']}; [benchmarks.md](benchmarks.md)).\n\n{table(lines)}"
    )


def _images_a_second(plan, stage: str) -> float:
    """Images per second that one GPU takes in a stage with the scale's base settings."""
    instance = next(one for one in plan.of(stage) if "table5" in one.experiments)
    encoder, data = plan.sources(instance)
    return cost.images_a_second(stage, instance.settings, encoder, data, plan.settings)


def _overhead(overhead: dict) -> str:
    """What the workflow itself takes, as benchmarks/overhead.py measured it."""
    versions = ", ".join(f"{name} {number}" for name, number in overhead["versions"].items())
    about = (
        f"`{overhead['command']}`: {overhead['hardware']}, {overhead['cores']} cores; {versions}; "
        f"n = {overhead['n']}, {overhead['date']}"
    )
    text = (
        "## The workflow's own cost\n\nStages are trivial here: what is timed is planning, keys, "
        "scheduling and checks.\n"
    )
    for what, case in overhead["cases"].items():
        lines = [["", "median, s", "least", "most"]]
        for name, seconds in case["seconds"].items():
            values = statistics.median(seconds), min(seconds), max(seconds)
            lines.append([name, *(f"{value:.2f}" for value in values)])
        load = " to ".join(f"{value:.1f}" for value in sorted(case["load"]))
        text += f"\n{what}, {about}, load of the machine {load}:\n\n{table(lines)}"
    return text


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
        PAGE.write_text(page())


if __name__ == "__main__":
    main()
