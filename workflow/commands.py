"""What the commands of `simclr` do. Each takes the parsed arguments and returns an exit status.

Imports stand inside: a command pays only for what it uses.
"""

import fnmatch
import os
import sys
from pathlib import Path

from simclr.config import ConfigError, nearest, printable
from workflow.planning.plan import Plan
from workflow.planning.planner import build_plan
from workflow.planning.scale import default_scale, load_scale
from workflow.planning.summary import summary
from workflow.stages import DVC_STAGES, STAGES, covered_by


def _plan(args) -> Plan:
    return build_plan(args.scale or default_scale())


def plan(args):
    """Say what is cached, what a run would compute, and about how long it takes."""
    planned = _plan(args)
    if args.write:
        from workflow.running.plan_file import write_plan

        write_plan(planned)
    print(summary(planned))
    if args.list:
        for instance in planned.instances.values():
            state = "cached" if planned.has(instance) else "to do"
            print(f"{state:7}{instance.stage.name:11}{instance.key}  {instance.name}")


def run(args):
    """Compute results in this process, or in several that train together."""
    from workflow.running.plan_file import read_planned
    from workflow.running.run import run_instances
    from workflow.running.torchrun import check_ranks

    check_ranks(os.environ)
    scale = args.scale or default_scale()
    if args.ranks < 1:
        raise ConfigError(f"--ranks {args.ranks}: expected 1 or more.")
    if args.again and (args.keys or args.only or args.stage):
        raise ConfigError("--again: says what is computed; leave out --keys, --only and --stage.")
    if args.shard and (args.again or args.keys):
        raise ConfigError("--shard: a share of what is missing; leave out --again and --keys.")
    instances = read_planned(scale, args.keys) if args.keys else _chosen(args)
    if instances and args.ranks > 1 and "RANK" not in os.environ:
        from workflow.running.torchrun import become_torchrun

        words = ["--again", args.again] if args.again else ["--keys", *(i.key for i in instances)]
        become_torchrun(scale, instances, args.ranks, load_scale(scale).gpus_per_node, words)
    return run_instances(scale, instances, again=bool(args.again))


def _chosen(args) -> list:
    """Return the instances that `run` computes, inputs first: those asked for, or all missing."""
    from workflow.planning.checks import check_data
    from workflow.planning.shares import seeds_first, share
    from workflow.running.plan_file import write_plan

    planned = _plan(args)
    if args.again:
        chosen = planned.match(args.again)
        absent = [one for one in planned.with_inputs(chosen) if not planned.has(one)]
        if absent:
            raise ConfigError(f"{absent[0].label}: is not computed yet; run it without --again.")
        return chosen
    if os.environ.get("RANK", "0") == "0":  # of several ranks under torchrun only the first
        check_data(planned)
        write_plan(planned)
    if not (args.stage or args.only or args.shard):
        return seeds_first(planned.missing())
    if args.stage:
        _check_stage(args.stage)
    named = planned.instances.values()
    if args.only:
        named = [one for one in named if fnmatch.fnmatch(one.name, args.only)]
    if args.shard:  # before the stage is chosen: that of a stage reads what that of another made
        named = share(named, *args.shard)
    stages = [args.stage] if args.stage else [s for s in STAGES if STAGES[s].kind != "encoder"]
    chosen = [one for one in named if one.stage.name in stages]
    if args.only and not args.shard and not chosen:
        raise ConfigError(f"--only {args.only}: no planned result has such a name.")
    absent = [one for one in chosen if not planned.has(one)]
    return seeds_first(planned.with_missing_inputs(absent))


def _check_stage(name: str) -> None:
    if name not in STAGES and name not in DVC_STAGES:
        raise ConfigError(f"--stage {name}: unknown.{nearest(name, STAGES)}")


def verify(args):
    """Check stored results; with --repair compute damaged ones again."""
    from workflow.publishing import maintenance

    stages = tuple(STAGES)
    if args.stage:
        _check_stage(args.stage)
        stages = covered_by(args.stage)
    planned = _plan(args)
    if args.complete:
        _complete(planned, planned.of(*stages), args.stage or "all")
    damaged = maintenance.verify(planned, stages)
    if args.repair and damaged:
        return maintenance.repair(planned, damaged)
    return 1 if damaged else 0


def _complete(planned: Plan, wanted: list, target: str) -> None:
    """Become Snakemake where one of these results is missing; what it does ends as this command."""
    from workflow.running.locks import put_this_python_first
    from workflow.running.run import NOTHING
    from workflow.running.unused import settle

    if all(map(planned.has, wanted)):
        settle(planned)  # as Snakemake would: DVC records the folders as they are
        print(NOTHING)
        return
    put_this_python_first()
    snakemake = [sys.executable, "-m", "workflow.running.interruptible"]
    words = [*snakemake, "--cores", "all", "--config", f"scale={planned.name}", "--", target]
    os.execv(words[0], words)


def show(args):
    """Print the provenance of results, by name or key."""
    import json

    from simclr.store import results

    planned = _plan(args)
    for instance in planned.match(args.name):
        path = instance.path(planned.store)
        if results.is_finished(path):
            shown = results.read_provenance(path)
        else:
            shown = {**instance.line(), "state": "not computed yet"}
        print(json.dumps(shown, indent=1))


def compare(args):
    """Compare results with other results, or with published ones; status 1 where some differ."""
    from workflow.publishing import compare as comparing
    from workflow.publishing.published import published_file

    def side(word: str) -> comparing.Side:
        if word.endswith(".jsonl"):
            return comparing.side_of_file(Path(word))
        return comparing.side_of_plan(build_plan(word))

    left = args.left or default_scale()
    if args.right is None and left.endswith(".jsonl"):
        raise ConfigError(f"compare {left}: name what to compare it with, a scale or another file.")
    right = args.right or str(published_file(left))
    shown = sys.maxsize if args.all else comparing.SHOWN
    text, identical = comparing.compare(side(left), side(right), shown)
    print(text)
    return 0 if identical else 1


def power(args):
    """Say how many more seeds would decide each open contrast, and what they cost."""
    from workflow.publishing.power import text

    print(text(_plan(args)))


def publish(args):
    """Copy finished figures to paper_figures."""
    from workflow.publishing.publish import publish as publish_figures
    from workflow.running.unused import settle

    planned = _plan(args)
    if args.complete:
        _complete(planned, planned.of_kind("figure"), "all")
    settle(planned)
    publish_figures(planned, args.figures, args.partial)


def export(args):
    """Write the published metrics of a scale."""
    from workflow.publishing.export_metrics import export_metrics

    print(export_metrics(_plan(args), args.partial))


def crate(args):
    """Write what is published of a scale as an RO-Crate."""
    from workflow.publishing.crate import write_crate

    print(write_crate(_plan(args), args.out))


def import_(args):
    """Bring in published metrics, or the results in a folder; status 2 where some are refused."""
    from workflow.publishing.import_metrics import import_metrics
    from workflow.publishing.import_results import import_results
    from workflow.running.locks import moving

    planned, refused = _plan(args), 0
    with moving(planned.store):
        if args.source is None:
            text = import_metrics(planned)
        else:
            from workflow.publishing import crate  # here: its library takes as long as all else

            if crate.is_crate(args.source):
                lines = crate.read_crate(args.source, planned.name)
                text = import_metrics(planned, lines, args.source)
            else:
                text, refused = import_results(planned, args.source)
    print(text)
    return 2 if refused else 0


def prune(args):
    """Delete what no plan names."""
    from workflow.publishing import maintenance
    from workflow.running.locks import moving

    planned = _plan(args)
    with moving(planned.store):
        print(maintenance.prune(planned))


def fingerprint(args):
    """Print the SHA-256 of a data set, as the source that reads it computes it."""
    from simclr.data.sources import folder, imagenet, imagenet_files
    from workflow.planning.archives import check_whole_source

    check_whole_source(args.path)
    source = {"folder": folder, "imagenet": imagenet}.get(args.source)
    if source is None:
        source = imagenet if imagenet_files.is_layout(args.path) else folder
    print(source.fingerprint(args.path))


def features(args):
    """Extract features of a folder of images, written as features.npz."""
    import numpy as np
    from tqdm import tqdm

    from simclr import files
    from simclr.data.images import Reading
    from workflow import pretrained
    from workflow.planning.cost import side_of

    planned = _plan(args)
    training = pretrained.match_training(planned, args.name)
    out = args.out or args.folder / "features.npz"
    images, others = pretrained.sort_files(args.folder)
    files.check_destination(out)
    if out in images or (out.exists() and not out.is_file()):  # a device would become a file
        raise ConfigError(f"{out}: an image, or no plain file; name another file.")
    others = [other for other in others if other != out]
    side = args.size or side_of(training.inputs["data"].settings)
    encoder = pretrained.load_encoder(training.path(planned.store))
    skipped = {} if args.skip_bad else None
    with tqdm(total=len(images), unit="image", disable=None) as bar:
        reading = Reading(args.white_level, args.max_megapixels)
        extracted = pretrained.features(encoder, images, side, bar.update, reading, skipped)
    for problem in (skipped or {}).values():
        print(f"skipped: {problem}", file=sys.stderr)
    used = [image for image in images if image not in (skipped or {})]
    names = [pretrained.name_of(image, args.folder) for image in used]
    with files.replacing(out) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, features=extracted, files=np.array(names))
    if others:
        print(f"left out: {len(others)} that are no images, e.g. {printable(str(others[0]))}")
    print(
        f"{printable(str(out))}: features {list(extracted.shape)} of {len(used)} images at {side} "
        "pixels."
    )


def export_encoder(args):
    """Write an encoder for others, compared with the original."""
    from tqdm import tqdm

    from workflow.pretrained import match_training
    from workflow.publishing import export_encoder as exporting

    planned = _plan(args)
    training = match_training(planned, args.name)
    with tqdm(total=exporting.IMAGES, unit="image", desc="compared", disable=None) as bar:
        said = exporting.export_encoder(planned, training, args.format, args.out, bar.update)
    print(printable(said))
