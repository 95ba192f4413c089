"""Write docs/planning.md: what the paper costs at each scale, on one machine and on many.

    python -m workflow.docs.cost_page               # the page; a test compares it with the scales
    python -m workflow.docs.cost_page --check tiny  # estimates against recorded durations
    python -m workflow.docs.cost_page --record tiny # keep those of the published runs

Hours come from workflow/planning/cost.py and the rates of each scale, which says whether they are
measured. Nothing here is typed in: durations are those of benchmarks/results/durations-*.json,
recorded after a run on a machine that did little else; the workflow's own cost is that of
overhead.json.
"""

import argparse
import datetime
import json
import statistics
from typing import NamedTuple

from simclr import files
from simclr.files import write_atomic
from simclr.store.runner import TRAINING
from workflow.planning import cost
from workflow.planning.planner import build_plan
from workflow.planning.summary import duration
from workflow.publishing.published import read_published

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


class Fleet(NamedTuple):
    """What a scale takes on a number of cores or GPUs."""

    seconds: float  # until all is done
    chain: float  # of these, at least: the longest chain of results that need each other
    recomputed: int  # trainings that have no room otherwise
    homeless: list  # trainings that have no room at all, as instances
    needed: int  # GPUs for the most demanding of these, recomputed; 0: none


def fleet(plan, count: int) -> Fleet:
    """Return what a whole run of the plan takes on `count` cores or GPUs."""
    scale, work, recomputed, homeless, needed = plan.scale, 0.0, 0, [], 0
    done = {}  # key -> seconds from the start, where nothing waits for a core
    for one in plan.instances.values():
        settings, gpus = one.settings, 1
        source, data = plan.sources(one)
        if one.stage in TRAINING and settings["device"] == "cuda":
            gpus = cost.fewest(one.stage, settings, data, scale.gpu_gigabytes)
            if not 0 < gpus <= count:
                settings = {**settings, "recompute": True}
                gpus = cost.fewest(one.stage, settings, data, scale.gpu_gigabytes)
                recomputed += 0 < gpus <= count
            if not 0 < gpus <= count:
                homeless.append(one)
                needed = max(needed, gpus)
        seconds = cost.seconds(one.stage, settings, source, data, scale, gpus or 1)
        done[one.key] = seconds + max((done[key] for _, key in one.inputs.values()), default=0.0)
        if scale.device == "cpu" or "device" in settings:  # not what a GPU's machine does beside
            work += (gpus or 1) * seconds
    work += len(plan.groups(plan.instances.values())) * scale.startup_seconds
    chain = max(done.values())
    return Fleet(max(work / count, chain), chain, recomputed, homeless, needed)


def hours(plan) -> dict[str, tuple[int, float]]:
    """Return {experiment: (results, core-hours or GPU-hours)}; what several share, at the first."""
    gpu = plan.scale.device == "cuda"
    return {
        name: (len(some), sum(plan.gpu_hours(one) if gpu else one.seconds / 3600 for one in some))
        for name, some in plan.by_experiment(plan.instances.values()).items()
    }


def record(scale: str) -> None:
    """Keep the durations of the published runs, by stage and name, and where they were measured."""
    plan, seconds = build_plan(scale), {}
    published = {(line["stage"], line["name"]): line for line in read_published(scale).values()}
    for one in plan.instances.values():
        line = published.get((one.stage, one.name), {})
        if "seconds" in line:
            seconds[f"{one.stage} {one.name}"] = line["seconds"]
            if "training" in line:
                encoder = plan.instances[one.inputs["encoder"][1]]
                seconds[f"{encoder.stage} {encoder.name}"] = line["training"]["seconds"]
    lines = list(published.values())
    about = {
        "hardware": ", ".join(sorted({line["hardware"] for line in lines})),
        "recorded": datetime.date.today().isoformat(),
        "seconds": dict(sorted(seconds.items())),
    }
    write_atomic(_durations(scale), json.dumps(about, indent=1) + "\n")


def _durations(scale: str):
    return OVERHEAD.with_name(f"durations-{scale}.json")


def check(scale: str) -> dict[str, list[tuple[float, float]]]:
    """Return {stage: [(estimated, measured) seconds]} of the recorded runs, by their names."""
    measured, found = json.loads(_durations(scale).read_text())["seconds"], {}
    for one in build_plan(scale).instances.values():
        if f"{one.stage} {one.name}" in measured:
            pair = one.seconds, measured[f"{one.stage} {one.name}"]
            found.setdefault(one.stage, []).append(pair)
    return found


def check_table(scale: str) -> str:
    """The ratios of estimated to measured seconds, a line a stage, and all together."""
    found = check(scale)
    lines = [["stage", "results", "estimated, s", "measured, s", "ratio", "least", "most"]]
    for name, pairs in [
        *found.items(),
        ("all", [pair for all_of in found.values() for pair in all_of]),
    ]:
        estimated, measured = (sum(column) for column in zip(*pairs, strict=True))
        ratios = [one / max(other, 0.01) for one, other in pairs]  # recorded in hundredths
        row = [f"{estimated:,.1f}", f"{measured:,.1f}", f"{estimated / measured:.2f}"]
        lines.append([name, f"{len(pairs)}", *row, f"{min(ratios):.2f}", f"{max(ratios):.2f}"])
    return table(lines)


def page() -> str:
    """Return the page, as the scales, the published durations and the benchmark have it now."""
    plans = {name: build_plan(name) for name in SCALES}
    parts = [INTRODUCTION, _overview(plans)]
    parts += [_by_experiment(plan) for plan in plans.values()]
    parts.append(
        "## Do the estimates hold?\n\nEstimated against measured seconds of every result, on one "
        "core (`python -m workflow.docs.cost_page --check tiny`). Least and most: the ratio of a "
        "single result.\n"
    )
    for scale in CHECKED:
        about = json.loads(_durations(scale).read_text())
        where = f"{about['hardware']}, recorded {about['recorded']}"
        parts.append(f"`{scale}`, {where}:\n\n{check_table(scale)}")
    parts.append(_reading(plans["imagenet"], json.loads(LOADER.read_text())))
    parts.append(_overhead(json.loads(OVERHEAD.read_text())))
    return "\n".join(parts)


def _overview(plans: dict) -> str:
    head = ["scale", "results", "seeds", "hours", *(f"on {count}" for count in COUNTS)]
    lines, notes = [head], []
    for name, plan in plans.items():
        gpu = plan.scale.device == "cuda"
        unit = "GPU" if gpu else "core"
        total = sum(each for _, each in hours(plan).values())
        cells = []
        for count in COUNTS:
            found = fleet(plan, count)
            cells.append("no room" if found.homeless else duration(found.seconds))
            if not found.homeless and found.seconds <= found.chain:
                cells[-1] += " (a chain)"
            if gpu and (found.homeless or found.recomputed):
                notes.append(_room(name, plan, count, found))
        seeds = f"{len(plan.scale.seeds)}"
        work = f"{total:,.1f} {unit}-hours"
        lines.append([f"`{name}`", f"{len(plan.instances):,}", seeds, work, *cells])
    text = f"## Each scale on {', '.join(map(str, COUNTS[:-1]))} and {COUNTS[-1]} cores or GPUs\n\n"
    text += (
        table(lines) + "\n(a chain): more cores or GPUs would not help. Hours of `imagenet` are "
    )
    text += (
        f"those on {plans['imagenet'].settings.gpus} GPUs for a network, as the scale has it.\n\n"
    )
    bases = [f"* `{name}`: rates {plan.scale.basis}.\n" for name, plan in plans.items()]
    return text + "".join(bases + notes)


def _room(name: str, plan, count: int, found: Fleet) -> str:
    """A line: which trainings of a scale have no room on `count` GPUs."""
    trainings = len(plan.of(*TRAINING))
    text = f"* `{name}` on {count} GPU{'s' * (count > 1)} of {plan.scale.gpu_gigabytes:g} GB: of "
    text += f"{trainings:,} trainings {found.recomputed:,} need `recompute`"
    if found.homeless:
        text += f", and {len(found.homeless):,} have no room even so"
        text += f"; the largest needs {found.needed} GPUs" * (found.needed > 0)
    return text + ".\n"


def _by_experiment(plan) -> str:
    """A line for each experiment of a scale, in the order in which they are computed."""
    unit = "GPU-hours" if plan.scale.device == "cuda" else "core-hours"
    found = hours(plan)
    total = sum(each for _, each in found.values())
    every = sum(count for count, _ in found.values()), total
    lines = [["experiment", "results", unit, "share"]]
    for name, (count, each) in [*found.items(), ("all", every)]:
        lines.append([name, f"{count:,}", f"{each:,.2f}", f"{each / total:.0%}"])
    basis = "measured" if plan.scale.measured else "assumed"
    text = f"### `{plan.name}`: where the hours go ({basis} rates)\n\n{table(lines)}"
    if plan.scale.device == "cuda" and len(plan.scale.seeds) > 1:
        text += f"\nOne seed alone: about {total / len(plan.scale.seeds):,.0f} {unit}.\n"
    return text


def _reading(plan, found: dict) -> str:
    """Images that one GPU takes, against those that one core reads, of ImageNet."""
    ((what, case),) = found["cases"].items()
    rates = {
        name: case["count"] / statistics.median(taken) for name, taken in case["seconds"].items()
    }
    lines = [["ResNet-50, one GPU", "images/s", *(f"cores, {name}" for name in _READERS.values())]]
    for stage in ("pretrain", "evaluate"):
        one = next(one for one in plan.of(stage) if "table5" in one.experiments)
        needed = cost.images_a_second(stage, one.settings, *plan.sources(one), plan.scale)
        cores = [f"{needed / rates[name]:,.1f}" for name in _READERS]
        lines.append([stage, f"{needed:,.0f}", *cores])
    each = ", ".join(f"{rates[name]:,.0f} images/s {about}" for name, about in _READERS.items())
    return (
        "## Can the disk's side keep up?\n\nA GPU of `imagenet` takes so many images in a second "
        "(by the scale's rates, views and steps left out: the most), and so many cores bring them: "
        f"one core brought {each} ({what}; `{found['command']}`: {found['hardware']}, "
        f"n = {found['n']}, {found['date']}; [benchmarks.md](benchmarks.md)).\n\n{table(lines)}"
    )


_READERS = {"ours": "packed", "DataLoader": "decoding JPEG"}


def _overhead(found: dict) -> str:
    """What the workflow itself takes, as benchmarks/overhead.py measured it."""
    versions = ", ".join(f"{name} {number}" for name, number in found["versions"].items())
    about = f"{found['hardware']}, {found['cores']} cores; {versions}; n = {found['n']}"
    text = (
        "## The workflow's own cost\n\nStages are trivial here: what is timed is planning, keys, "
    )
    text += "scheduling and checks.\n"
    for what, case in found["cases"].items():
        lines = [["", "median, s", "least", "most"]]
        for name, taken in case["seconds"].items():
            each = statistics.median(taken), min(taken), max(taken)
            lines.append([name, *(f"{one:.2f}" for one in each)])
        load = " to ".join(f"{one:.1f}" for one in sorted(case["load"]))
        text += f"\n{what}, `{found['command']}`: {about}, {found['date']}, load of the machine "
        text += f"{load}:\n\n{table(lines)}"
    return text


def table(lines: list[list[str]]) -> str:
    """A table in Markdown; the first line is its head, the first column stands left."""
    head, *body = lines
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (head, rule, *body))


def main() -> None:
    """Write the page, or print a check."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", metavar="SCALE", help="print estimates against recorded runs")
    parser.add_argument("--record", metavar="SCALE", help="record those of the published runs")
    arguments = parser.parse_args()
    if arguments.record:
        record(arguments.record)
    elif arguments.check:
        print(check_table(arguments.check), end="")
    else:
        PAGE.write_text(page())


if __name__ == "__main__":
    main()
