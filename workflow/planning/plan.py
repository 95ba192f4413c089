"""A plan: all results of a scale, and questions about them."""

import difflib
import functools
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from simclr.config import ConfigError, nearest
from simclr.settings.data import Prepare
from simclr.store import results
from simclr.store.instance import Instance
from workflow.planning import grouping, placement
from workflow.planning.cost import Work
from workflow.planning.scale import Scale


@dataclass
class Plan:
    """All instances of the scale `name`, by key, inputs before their users."""

    name: str
    scale: Scale
    instances: dict[str, Instance] = field(default_factory=dict)

    @functools.cached_property
    def store(self) -> Path:
        """results/<scale>, relative to the root of the repository, where commands run."""
        return Path("results") / self.name

    def of(self, *stages: str) -> list[Instance]:
        """Return the instances of these stages."""
        return [i for i in self.instances.values() if i.stage.name in stages]

    @property
    def scale_data(self) -> Instance:
        """The scale's own data set, which no experiment has asked for."""
        return next(i for i in self.instances.values() if i.is_scale_data)

    def of_kind(self, *kinds: str) -> list[Instance]:
        """Return the instances whose stage is of these kinds."""
        return [i for i in self.instances.values() if i.stage.kind in kinds]

    def figure(self, experiment: str) -> Instance:
        """Return the figure of an experiment. Raises ConfigError where there is none."""
        figures = {i.experiment: i for i in self.of_kind("figure")}
        if experiment not in figures:
            raise ConfigError(
                f"{experiment}: no such figure or table.{nearest(experiment, figures)}"
            )
        return figures[experiment]

    def runs(self, figure: Instance) -> list[tuple[dict, Instance]]:
        """Return what a figure shows: (labels of the run, the instance with its metrics)."""
        rows = figure.settings.rows
        return [(row, figure.inputs[f"{row['setting']}.s{row['seed']}"]) for row in rows]

    def has(self, instance: Instance) -> bool:
        """Tell whether the result is there, maybe put aside by another plan (running/unused.py)."""
        aside = results.unused(self.store, instance.stage.name, instance.key)
        return results.is_finished(instance.path(self.store)) or results.is_finished(aside)

    def missing(self, figures: Iterable[Instance] | None = None) -> list[Instance]:
        """Return what a run for these figures, or all, would compute: they and what they lack."""
        figures = self.of_kind("figure") if figures is None else figures
        return self._in_order(self._needed(figures, stop_at_finished=True))

    def missing_of_any_stage(self) -> list[Instance]:
        """Return what is not there, needed by a figure or not.

        An encoder whose metrics are there is needed by none.
        """
        return [i for i in self.instances.values() if not self.has(i)]

    def with_inputs(self, chosen: Iterable[Instance]) -> list[Instance]:
        """Return these and all that they need, inputs first."""
        return self._in_order(self._needed(chosen))

    def with_missing_inputs(self, chosen: Iterable[Instance]) -> list[Instance]:
        """Return these and what they lack, inputs first.

        Metrics that are there need no encoder, so one that was not brought in stays away.
        """
        chosen = list(chosen)
        lacking = self._needed(self.inputs(chosen), stop_at_finished=True)
        return self._in_order(lacking | {instance.key for instance in chosen})

    def _needed(self, chosen: Iterable[Instance], stop_at_finished: bool = False) -> set[str]:
        keys, todo = set(), list(chosen)
        while todo:
            instance = todo.pop()
            if instance.key in keys or (stop_at_finished and self.has(instance)):
                continue
            keys.add(instance.key)
            todo += instance.inputs.values()
        return keys

    def _in_order(self, keys: set[str]) -> list[Instance]:
        return [i for i in self.instances.values() if i.key in keys]

    def inputs(self, instances: Iterable[Instance]) -> list[Instance]:
        """Return the instances that these read, except themselves."""
        instances = list(instances)
        keys = {instance.key for instance in instances}
        read = {needed.key: needed for i in instances for needed in i.inputs.values()}
        return [needed for key, needed in read.items() if key not in keys]

    def by_experiment(self, instances: Iterable[Instance]) -> dict[str, list[Instance]]:
        """Group these by experiment; what several share counts at the first."""
        groups = {}
        for instance in instances:
            first = instance.experiments[0] if instance.experiments else "data"
            groups.setdefault(first, []).append(instance)
        return groups

    def groups(self, instances: Iterable[Instance]) -> dict[str, list[Instance]]:
        """Return what each process computes of these: see grouping.py."""
        ordered = self._in_order({instance.key for instance in instances})
        return grouping.group(ordered, {one.key for one in ordered if self._is_alone(one)})

    def _is_alone(self, instance: Instance) -> bool:
        """Tell whether a result on GPUs has a process of its own: it takes several, or is long.

        Or it is compiled: what torch compiled before in the same process can change its kernels.
        """
        gpus, compiled = self.gpus(instance), getattr(instance.settings, "compile", False)
        return gpus > 1 or (gpus == 1 and (compiled or instance.seconds > grouping.SHORT))

    def gpus(self, instance: Instance) -> int:
        """Return how many GPUs compute the instance; 0: it needs none."""
        return placement.gpus_of(self.scale, instance.stage, instance.settings)

    def gpu_hours(self, instance: Instance) -> float:
        """Return the expected hours of all its GPUs together."""
        return self.gpus(instance) * instance.seconds / 3600

    def match(self, word: str) -> list[Instance]:
        """Return the instances whose key or name begins with `word`. Raises ConfigError if none."""
        instances = self.instances.values()
        exact = [i for i in instances if i.key.startswith(word) or i.name == word]
        matching = exact or [i for i in instances if i.name.startswith(word)]
        if not matching:
            close = difflib.get_close_matches(word, [i.name for i in instances], n=1, cutoff=0.3)
            hint = f" Did you mean '{close[0]}'?" if close else ""
            raise ConfigError(f"{word}: no such result at scale {self.name}.{hint}")
        return matching


def data_of(instance: Instance) -> Prepare | None:
    """Return the settings of the data set that an instance works on; None: a figure."""
    if "data" in instance.inputs:
        return instance.inputs["data"].settings
    return instance.settings if instance.stage.kind == "data" else None


def encoder_of(instance: Instance):
    """Return the settings of the encoder that it trains or looks at; None where there is none."""
    trained = instance.inputs.get("encoder", instance)
    return getattr(trained.settings, "encoder", None)


def work_of(instance: Instance, scale: Scale, gpus: int = 1) -> Work:
    """Return the quantities of its duration, on one core or on the GPUs that share the work."""
    return Work(data_of(instance), encoder_of(instance), scale, gpus)
