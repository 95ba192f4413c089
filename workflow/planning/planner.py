"""What must exist at a scale, and under which key: experiments x settings x seeds -> instances.

Reads workflow/scales/<scale>.yaml and the experiment modules, knows nothing of Snakemake, DVC or
torch, and takes milliseconds. Settings that resolve to the same values share one run, whatever
number of figures use them.
"""

import difflib
import functools
import hashlib
import importlib
from dataclasses import dataclass, field
from pathlib import Path

from simclr import files
from simclr.config import ConfigError, build, merge, nearest, to_dict
from simclr.settings import STAGES
from simclr.store import keys, results
from simclr.store.results import UNUSED
from simclr.store.runner import TRAINING, keyed_settings
from workflow.planning import checks, cost, grouping, placement
from workflow.planning.scale import SCALES, Scale, load_scale

PAPER = [files.ROOT / "data" / "paper" / name for name in ("paper_reported.csv", "claims.csv")]
ALL_STAGES = (*STAGES, "figures")
# The stages whose results are metrics.
MEASURES = (
    "evaluate",
    "histograms",
    "finetune",
    "probe",
    "transfer",
    "maps",
    "examples",
    "neighbours",
)
# The lists of keys that DVC's stages depend on; one DVC stage may cover several of ours.
LISTS = {
    "prepare": ("prepare",),
    "pretrain": ("pretrain", "supervise"),
    "evaluate": MEASURES,
    "figures": ("figures",),
}


@dataclass
class Instance:
    """One result to be: see simclr.store.runner for the meaning of the fields."""

    stage: str
    key: str
    name: str  # <experiment>.<setting>.s<seed> of the first experiment that uses it
    settings: dict
    inputs: dict  # role -> [stage, key]
    modules: list
    seconds: float  # expected, on one core, or on the scale's GPUs (see `gpus`)
    experiments: list = field(default_factory=list)  # all that use it, in order

    def path(self, store: Path) -> Path:
        return results.folder(store, self.stage, self.key)

    def line(self) -> dict:
        return {name: value for name, value in vars(self).items() if name != "experiments"}


@dataclass
class Plan:
    """All instances of a scale, by key, inputs before their users."""

    scale: str
    settings: Scale
    instances: dict = field(default_factory=dict)
    resolved: dict = field(default_factory=dict)  # of _resolve: what was checked before

    @functools.cached_property
    def store(self) -> Path:
        """results/<scale>, relative to the root of the repository, where commands run."""
        return Path("results") / self.scale

    def of(self, *stages: str) -> list[Instance]:
        return [i for i in self.instances.values() if i.stage in stages]

    def gpu_hours(self, instance: Instance) -> float:
        gpus = placement.gpus_of(self.settings, instance.stage, instance.settings)
        return gpus * instance.seconds / 3600

    def figure(self, experiment: str) -> Instance:
        for instance in self.of("figures"):
            if instance.settings["experiment"] == experiment:
                return instance
        names = [i.settings["experiment"] for i in self.of("figures")]
        raise ConfigError(f"{experiment}: no such figure or table.{nearest(experiment, names)}")

    def has(self, instance: Instance) -> bool:
        """Tell whether the result is there, maybe put aside by another plan (see `settle`)."""
        aside = results.folder(self.store / UNUSED, instance.stage, instance.key)
        return results.is_finished(instance.path(self.store)) or results.is_finished(aside)

    def missing(self) -> list[Instance]:
        """Those that a full run would compute: figures not there, and what these lack."""
        todo, found = [i for i in self.of("figures")], {}
        while todo:
            instance = todo.pop()
            if instance.key in found or self.has(instance):
                continue
            found[instance.key] = instance
            todo += [self.instances[key] for _, key in instance.inputs.values()]
        return [i for i in self.instances.values() if i.key in found]

    def missing_of_any_stage(self) -> list[Instance]:
        """Those that are not there, needed by a figure or not (an encoder whose metrics are there
        is not)."""
        return [i for i in self.instances.values() if not self.has(i)]

    def inputs(self, instances) -> list[Instance]:
        """The instances that these read, but for themselves."""
        own = {one.key for one in instances}
        wanted = dict.fromkeys(key for one in instances for _, key in one.inputs.values())
        return [self.instances[key] for key in wanted if key not in own]

    def sources(self, instance: Instance) -> tuple[dict, dict]:
        """The settings of the encoder (empty: none) and of the data that an instance works on."""
        found = {role: self.instances[key].settings for role, (_, key) in instance.inputs.items()}
        return found.get("encoder", {}), found.get("data", instance.settings)

    def by_experiment(self, instances) -> dict[str, list[Instance]]:
        """These, by the experiment that they belong to; what several share, at the first."""
        found = {}
        for one in instances:
            found.setdefault(one.experiments[0] if one.experiments else "data", []).append(one)
        return found

    def groups(self, instances) -> dict[str, list[Instance]]:
        """What each process computes of these: see workflow/planning/grouping.py."""
        wanted = {instance.key for instance in instances}
        return grouping.make([i for i in self.instances.values() if i.key in wanted])


def build_plan(name: str, folder: Path = SCALES) -> Plan:
    """Return the plan of the scale `name`. Raises ConfigError before anything is computed."""
    scale = load_scale(name, folder)
    plan = Plan(name, scale)
    data = _add(plan, "prepare", scale.base.get("prepare", {}), {}, "data", "")
    for experiment in scale.experiments:
        _add_experiment(plan, experiment, data)
    # "prepare" first, then in the order of the scale; a figure stands after all that it shows
    return plan


def _add_experiment(plan: Plan, experiment: str, data: Instance) -> None:
    scale = plan.settings
    module = importlib.import_module(f"workflow.experiments.{experiment}")
    where = f"scale {plan.scale}: experiments.{experiment}"
    grid, seeds, base = scale.grid(experiment, where)
    rows, inputs, seen = [], {}, set()
    for one in module.runs(grid):
        if one.name in seen:
            raise ConfigError(f"{where}: two settings are named {one.name}.")
        seen.add(one.name)
        for seed in seeds:
            run_name = f"{experiment}.{one.name}.s{seed}"

            def add(stage, own, data, name=run_name, seed=seed, **inputs):
                values = merge(merge(base.get(stage, {}), own), {"seed": seed})
                return _add(plan, stage, values, {"data": data, **inputs}, name, experiment)

            used, start = data, {}
            if one.data:
                other = merge(base.get("prepare", {}), one.data)
                used = _add(plan, "prepare", other, {}, f"{experiment}.data", experiment)
            if one.starts_from:
                start = {"encoder": add(*one.starts_from, data)}
            run = shown = add(one.stage, one.settings, used, **start)
            if one.stage in ("pretrain", "supervise"):
                shown = _add(
                    plan,
                    "evaluate",
                    base.get("evaluate", {}),
                    {"data": data, "encoder": run},
                    run_name,
                    experiment,
                )
            labels = {"setting": one.name, "seed": seed, **one.labels}
            if "parameters" in module.LABELS:
                labels["parameters"] = cost.parameters(run.settings["encoder"])
            rows.append(labels)
            inputs[f"{one.name}.s{seed}"] = shown
    context = {"scale": plan.scale, "title": scale.title, "seeds": len(seeds)}
    settings = {
        "experiment": experiment,
        "rows": rows,
        "context": context,
        "paper": hashlib.sha256(b"".join(p.read_bytes() for p in PAPER)).hexdigest(),
    }
    modules = ("workflow.figures.stage", f"workflow.experiments.{experiment}")
    _add(plan, "figures", settings, inputs, experiment, experiment, modules)


def _add(plan, stage, values, inputs, name, experiment, modules=None) -> Instance:
    """Resolve, check and key one instance; return the one with its key (maybe planned before)."""
    if stage in STAGES:
        modules = (STAGES[stage][1],)
        values = _resolve(plan, stage, values, f"scale {plan.scale}: {name}: {stage}")
    input_keys = {role: instance.key for role, instance in inputs.items()}
    key = keys.result_key(stage, keyed_settings(values), input_keys, modules)
    found = plan.instances.get(key)
    if found is None:
        data = inputs["data"].settings if "data" in inputs else values
        if stage in TRAINING:
            checks.check_batch(plan.settings, stage, values, data, f"scale {plan.scale}: {name}")
        found = Instance(
            stage=stage,
            key=key,
            name=name,
            settings=values,
            inputs={role: [instance.stage, instance.key] for role, instance in inputs.items()},
            modules=list(modules),
            seconds=round(_seconds(plan, stage, values, inputs, data), 2),
        )
        plan.instances[key] = found
    if experiment and experiment not in found.experiments:
        found.experiments.append(experiment)
    return found


def _resolve(plan: Plan, stage: str, values: dict, where: str) -> dict:
    """All settings of a stage, checked. Those that differ in the seed alone are checked once."""
    known = stage, repr({**values, "seed": 0})
    if known not in plan.resolved:
        cls = STAGES[stage][0]
        every = {**plan.settings.devices(cls), **values}
        plan.resolved[known] = to_dict(build(cls, every, where))
    found = plan.resolved[known]
    return {**found, "seed": values["seed"]} if "seed" in values else found


def _seconds(plan: Plan, stage: str, values: dict, inputs: dict, data: dict) -> float:
    """Expected duration on a core, or the scale's GPUs, from the encoder's work (cost.py)."""
    source = inputs["encoder"].settings if "encoder" in inputs else {}
    gpus = placement.gpus_of(plan.settings, stage, values)
    return cost.seconds(stage, values, source, data, plan.settings, gpus or 1)


def match_instances(plan: Plan, word: str) -> list[Instance]:
    """Return the instances whose key or name begins with `word`; ConfigError if none."""
    found = [i for i in plan.instances.values() if i.key.startswith(word) or i.name == word]
    found = found or [i for i in plan.instances.values() if i.name.startswith(word)]
    if not found:
        names = [i.name for i in plan.instances.values()]
        close = difflib.get_close_matches(word, names, n=1, cutoff=0.3)
        hint = f" Did you mean '{close[0]}'?" if close else ""
        raise ConfigError(f"{word}: no such result at scale {plan.scale}.{hint}")
    return found
