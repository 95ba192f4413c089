"""The command line, `simclr` or `python -m workflow`: look at the plan, run, verify, share results.

The outermost layer: it may use everything, and imports late, so that `--help` and a check of a
finished scale take a fraction of a second.
"""

import _thread
import argparse
import contextlib
import fnmatch
import os
import shutil
import sys
import threading
from pathlib import Path

from simclr import files
from simclr.config import ConfigError


def main(argv=None) -> int:
    """Run one command, return the exit status. A user's mistake is one line, status 2."""
    args = _parser().parse_args(argv)
    sys.unraisablehook = interrupt_again
    os.chdir(files.ROOT)
    try:
        status = args.run(args) or 0
        sys.stdout.flush()
        return status
    except ConfigError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # as in `simclr plan --list | head`: nobody reads on
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 141
    except OSError as error:
        print(f"error: {explain(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped; the same command goes on from here.", file=sys.stderr)
        return 130


def interrupt_again(unraisable) -> None:
    """Where Ctrl-C falls into a destructor or Python's end, which print a trace and go on."""
    if unraisable.exc_type is KeyboardInterrupt:
        with contextlib.suppress(RuntimeError):  # too late for a thread: all is done
            threading.Timer(0.01, _thread.interrupt_main).start()
    else:
        sys.__unraisablehook__(unraisable)


def explain(error: OSError) -> str:
    """An error of the system in one line, as both drivers say it."""
    place = f"{error.filename}: " if error.filename else ""
    return f"{place}{error.strerror or error}; nothing is lost, mend it and run the same again."


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="simclr",
        description="SimCLR, the paper as a program. `snakemake --cores all` computes everything; "
        "these commands look at results, share them, and run stages without Snakemake.",
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def add(name, run, help_text, *arguments):
        sub = commands.add_parser(name, help=help_text, description=help_text)
        if name != "fingerprint":
            sub.add_argument("scale", nargs="?", default=None, help="default: that of params.yaml")
        for flags, options in arguments:
            sub.add_argument(*flags, **options)
        sub.set_defaults(run=run)

    only = (("--only",), {"metavar": "PATTERN", "help": "names to run, e.g. 'fig8.*.s0'"})
    stage = (("--stage",), {"metavar": "STAGE", "help": "one stage alone, e.g. pretrain"})
    add(
        "plan",
        _plan,
        "Say what is cached, what a run would compute, and about how long it takes.",
        (("--write",), {"action": "store_true", "help": "write results/SCALE/plan for DVC"}),
        (("--list",), {"action": "store_true", "help": "list every result with its key"}),
    )
    add(
        "run",
        _run,
        "Compute results in this process, without Snakemake (inputs first).",
        (("--keys",), {"nargs": "+", "metavar": "KEY", "help": "planned results, by key"}),
        (("--ranks",), {"type": int, "default": 1, "help": "processes that train together"}),
        only,
        stage,
    )
    add(
        "verify",
        _verify,
        "Check every stored output against its recorded SHA-256.",
        stage,
        (("--repair",), {"action": "store_true", "help": "compute damaged ones again"}),
    )
    add("show", _show, "Print the provenance of a result.", (("name",), {"help": "name or key"}))
    add(
        "publish",
        _publish,
        "Put finished figures into paper_figures/SCALE.",
        (("--figures",), {"nargs": "+", "metavar": "NAME", "help": "these alone; default: all"}),
    )
    add("export", _export, "Write all metrics of a scale to data/published/SCALE.jsonl.")
    add(
        "import",
        _import,
        "Bring published metrics in by key, to draw figures from, or results of another machine.",
        (
            ("--from",),
            {
                "dest": "source",
                "metavar": "FOLDER",
                "type": lambda text: Path(text).resolve(),
                "help": "a results/SCALE, or a stage of it, from elsewhere; what is in the plan "
                "and intact is brought in, the rest named",
            },
        ),
    )
    add(
        "prune",
        _prune,
        "Delete results that the present plan does not name, and their checkpoints.",
    )
    add(
        "fingerprint",
        _fingerprint,
        "Print the SHA-256 of an image folder or archive, for `sha256` in a scale.",
        (("path",), {"type": lambda text: Path(text).resolve()}),
    )
    add(
        "features",
        _features,
        "Extract the features of a folder of images with an encoder that was trained here.",
        (("name",), {"help": "the training, e.g. fig8.nonlinear-128.s0"}),
        (("folder",), {"type": lambda text: Path(text).resolve(), "help": "of images"}),
        (("--out",), {"type": lambda text: Path(text).resolve(), "help": "features.npz"}),
        (("--size",), {"type": int, "help": "in pixels; default: that of its views in training"}),
    )
    return parser


def _build(args):
    from workflow.planning.planner import build_plan
    from workflow.planning.scale import default_scale

    return build_plan(args.scale or default_scale())


def _plan(args):
    from workflow.planning.summary import summary
    from workflow.running import plan_file

    plan = _build(args)
    if args.write:
        plan_file.write_plan(plan)
    print(summary(plan))
    if args.list:
        for instance in plan.instances.values():
            state = "cached" if plan.has(instance) else "to do"
            print(f"{state:7}{instance.stage:11}{instance.key}  {instance.name}")


def _run(args):
    from workflow.running.run import run_instances

    if args.keys:
        from workflow.running.plan_file import read_planned

        plan_scale, instances = read_planned(args.scale, args.keys)
    else:
        from workflow.planning.checks import check_data
        from workflow.running.plan_file import write_plan

        plan = _build(args)
        if os.environ.get("RANK", "0") == "0":  # of several ranks under torchrun the first
            check_data(plan)
            write_plan(plan)
        plan_scale, chosen = plan.scale, plan.missing()
        if args.stage:
            _check_stage(args.stage)
            chosen = plan.of(args.stage)
        if args.only:
            chosen = [i for i in plan.instances.values() if fnmatch.fnmatch(i.name, args.only)]
            chosen = [i for i in chosen if not args.stage or i.stage == args.stage]
            if not chosen:
                raise ConfigError(f"--only {args.only}: no planned result has such a name.")
        instances = [i.line() for i in _with_inputs(plan, chosen)]
    if args.ranks < 1:
        raise ConfigError(f"--ranks {args.ranks}: expected 1 or more.")
    if args.ranks > 1 and "WORLD_SIZE" not in os.environ:
        from workflow.planning.scale import load_scale
        from workflow.running import torchrun

        per_node = load_scale(plan_scale).gpus_per_node
        torchrun.become_torchrun(plan_scale, instances, args.ranks, per_node)
    return run_instances(plan_scale, instances)


def _with_inputs(plan, chosen) -> list:
    """The chosen instances and all that they need, in the plan's order (inputs first)."""
    needed, todo = set(), list(chosen)
    while todo:
        instance = todo.pop()
        if instance.key not in needed:
            needed.add(instance.key)
            todo += [plan.instances[key] for _, key in instance.inputs.values()]
    return [i for i in plan.instances.values() if i.key in needed]


def _check_stage(name):
    from simclr.config import nearest
    from workflow.planning.planner import ALL_STAGES

    if name not in ALL_STAGES:
        raise ConfigError(f"--stage {name}: unknown.{nearest(name, ALL_STAGES)}")


def _verify(args):
    from workflow.planning.planner import ALL_STAGES, LISTS
    from workflow.publishing.maintenance import verify

    stages = ALL_STAGES
    if args.stage:
        _check_stage(args.stage)
        stages = LISTS.get(args.stage, (args.stage,))
    plan = _build(args)
    damaged = verify(plan, stages)
    if not args.repair:
        return 1 if damaged else 0
    from workflow.running.run import run_instances

    for instance in damaged:
        shutil.rmtree(instance.path(plan.store))
    return run_instances(plan.scale, [i.line() for i in _with_inputs(plan, damaged)])


def _show(args):
    import json

    from simclr.store import results
    from workflow.planning.planner import match_instances

    plan = _build(args)
    for instance in match_instances(plan, args.name):
        if results.is_finished(instance.path(plan.store)):
            found = results.read_provenance(instance.path(plan.store))
        else:
            found = {**instance.line(), "state": "not computed yet"}
        print(json.dumps(found, indent=1))


def _publish(args):
    from workflow.planning.unused import settle
    from workflow.publishing.publish import publish

    plan = _build(args)
    settle(plan)
    publish(plan, args.figures)


def _export(args):
    from workflow.publishing.export_metrics import export_metrics

    print(export_metrics(_build(args)))


def _import(args):
    from workflow.publishing import import_metrics, import_results
    from workflow.running.locks import take_lock

    plan = _build(args)
    take_lock(plan.store)
    if args.source is None:
        print(import_metrics.import_metrics(plan))
        return 0
    text, refused = import_results.import_results(plan, args.source)
    print(text)
    return 2 if refused else 0


def _prune(args):
    from workflow.publishing.maintenance import prune

    print(prune(_build(args)))


def _fingerprint(args):
    from simclr.data.sources import folder, imagenet, imagenet_files

    layout = imagenet if imagenet_files.is_layout(args.path) else folder
    print(layout.fingerprint(args.path))


def _features(args):
    import numpy as np
    from tqdm import tqdm

    from simclr.store import results
    from workflow import pretrained
    from workflow.planning.cost import side_of

    path = pretrained.find_training(args.name, args.scale)
    files = pretrained.image_files(args.folder)
    side = args.size
    if side is None:
        plan = _build(args)
        _, key = results.read_provenance(path)["inputs"]["data"]
        side = side_of(plan.instances[key].settings)
    out = args.out or args.folder / "features.npz"
    with tqdm(total=len(files), unit="image", disable=None) as bar:
        found = pretrained.features(pretrained.load_encoder(path), files, side, bar.update)
    names = [str(file.relative_to(args.folder)) for file in files]
    temporary = out.with_name(out.name + ".part.npz")
    np.savez_compressed(temporary, features=found, files=np.array(names))
    os.replace(temporary, out)
    print(f"{out}: features {list(found.shape)} of {len(files)} images at {side} pixels.")
