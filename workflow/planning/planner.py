"""What must exist at a scale, and under which key: experiments x settings x seeds -> instances.

Reads workflow/scales/<scale>.yaml and the experiment modules, knows nothing of Snakemake, DVC or
torch, and takes milliseconds. Settings that resolve to the same values share one run, whatever
number of figures use them.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path

from simclr.config import ConfigError, build, merge
from simclr.registry import EVALUATION, Stage
from simclr.store.instance import Instance, full_name
from workflow import catalog, paper
from workflow.figures import states
from workflow.planning import checks, networks
from workflow.planning.paper_files import check_paper
from workflow.planning.plan import Plan, data_of, work_of
from workflow.planning.scale import SCALES, Scale, load_scale
from workflow.stages import FIGURES, STAGES


def build_plan(name: str, folder: Path = SCALES) -> Plan:
    """Return the plan of the scale `name`. Raises ConfigError before anything is computed.

    The scale's data set comes first, then the experiments in the order of the scale, each figure
    after all that it shows.
    """
    planner = Planner(Plan(name, load_scale(name, folder)))
    check_paper(planner.scale.experiments)
    planner.add_scale()
    return planner.plan


@dataclass
class Planner:
    """Fills a plan. resolved: settings that were checked before, by stage and values."""

    plan: Plan
    resolved: dict = field(default_factory=dict)
    evaluations: dict = field(default_factory=dict)  # key of an encoder -> what measures it

    @property
    def scale(self) -> Scale:
        return self.plan.scale

    def add_scale(self) -> None:
        """Add the scale's data set and all its experiments."""
        values = self.scale.base.get("prepare", {})
        data = self._add(STAGES["prepare"], values, {}, experiment="", setting="data")
        for experiment in self.scale.experiments:
            self._add_experiment(experiment, data)
        checks.check_known_needs(self.plan)

    def _add_experiment(self, experiment: str, data: Instance) -> None:
        """Add the runs of an experiment for each of its seeds, and its figure."""
        module = catalog.module(experiment)
        where = f"scale {self.plan.name}: experiments.{experiment}"
        grid, seeds, base = self.scale.grid(experiment, where)
        rows, inputs, names, chances = [], {}, set(), {}
        for run in module.runs(grid):
            if run.name in names:
                raise ConfigError(f"{where}: two settings are named {run.name}.")
            names.add(run.name)
            for seed in seeds:
                trained, shown = self._add_run(experiment, run, seed, base, data)
                row = {"setting": run.name, "seed": seed, **run.labels}
                if computed := [name for name in module.LABELS if name not in run.labels]:
                    training = self._training(trained, base, where)
                    row |= {name: networks.LABELS[name](training) for name in computed}
                rows.append(row)
                role = f"{run.name}.s{seed}"
                inputs[role] = shown
                # Whether the encoder learned: told by its curve, which its evaluation has.
                encoder = shown.inputs.get("encoder")
                evaluation = self.evaluations.get(encoder.key) if encoder else None
                if evaluation and (chance := states.chance(encoder.settings)):
                    chances[run.name] = chance
                    inputs |= {} if evaluation is shown else {f"{role}.encoder": evaluation}
        context = {"scale": self.plan.name, "title": self.scale.title, "seeds": len(seeds)}
        context["chances"] = chances
        values = {"experiment": experiment, "rows": rows, "context": context}
        values |= {"paper": paper.sha256()}
        self._add(FIGURES, values, inputs, experiment=experiment)

    def _training(self, added: Instance, base: dict, where: str):
        """Return the settings of a run that trains; of another, those of the base pre-training."""
        if added.stage.kind == "encoder":
            return added.settings
        return self._resolve(STAGES["pretrain"], base.get("pretrain", {}), f"{where}: pretrain")

    def _add_run(self, experiment: str, run, seed: int, base: dict, data: Instance):
        """Add a run with a seed, what it needs and what measures it.

        Returns (the run, the instance with its metrics): the same where the run is a measurement.
        """
        named = {"experiment": experiment, "setting": run.name, "seed": seed}

        def values(stage: str, own: dict) -> dict:
            return merge(merge(base.get(stage, {}), own), {"seed": seed})

        inputs = {"data": data}
        if run.data:
            inputs["data"] = self._add_data(experiment, merge(base.get("prepare", {}), run.data))
        if run.starts_from:
            stage, own = run.starts_from
            inputs["encoder"] = self._add(
                STAGES[stage], values(stage, own), {"data": data}, **named
            )
        stage = STAGES[run.stage]
        added = self._add(stage, values(run.stage, run.settings), inputs, **named)
        if stage.kind != "encoder":
            return added, added
        # An encoder's evaluation has the scale's own seed: one protocol for all of them.
        evaluated = self._add(
            STAGES[EVALUATION],
            base.get(EVALUATION, {}),
            {"data": inputs["data"], "encoder": added},
            **named,
        )
        self.evaluations[added.key] = evaluated
        return added, evaluated

    def _add_data(self, experiment: str, values: dict) -> Instance:
        """Add a data set of an experiment's own. The first is named `data`, the others numbered."""
        known = [one for one in self.plan.of("prepare") if one.experiment == experiment]
        setting = f"data-{len(known) + 1}" if known else "data"
        return self._add(STAGES["prepare"], values, {}, experiment=experiment, setting=setting)

    def _add(
        self,
        stage: Stage,
        values: dict,
        inputs: dict[str, Instance],
        *,
        experiment: str,
        setting: str = "",
        seed: int | None = None,
    ) -> Instance:
        """Resolve, check and key one instance; return the one with its key (maybe planned before).

        values: settings of the stage that differ from the defaults.
        """
        where = f"scale {self.plan.name}: {full_name(experiment, setting, seed)}"
        instance = Instance(
            stage=stage,
            experiment=experiment,
            setting=setting,
            seed=seed,
            settings=self._resolve(stage, values, f"{where}: {stage.name}"),
            inputs=inputs,
        )
        known = self.plan.instances.get(instance.key)
        if known is None:
            if stage.trains:
                data = data_of(instance)
                checks.check_unlabelled(instance.settings, data, where)
                checks.check_memory(self.scale, stage, instance.settings, data, where)
            work = work_of(instance, self.scale, self.plan.gpus(instance) or 1)
            instance.seconds = round(stage.seconds(instance.settings, work), 2)
            self.plan.instances[instance.key] = known = instance
        if experiment and experiment not in known.experiments:
            known.experiments.append(experiment)
        return known

    def _resolve(self, stage: Stage, values: dict, where: str):
        """Return all settings of a stage, checked. Those that differ only in the seed are checked
        once."""
        known = stage.name, repr({**values, "seed": 0})
        if known not in self.resolved:
            every = {**self.scale.devices(stage.settings), **values}
            self.resolved[known] = build(stage.settings, every, where)
        settings = self.resolved[known]
        return replace(settings, seed=values["seed"]) if "seed" in values else settings
