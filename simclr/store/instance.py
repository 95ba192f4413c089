"""A planned result: what it is, what makes it, under which key."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from simclr.config import build, keyed, to_dict
from simclr.registry import Stage
from simclr.store import keys, results


def full_name(experiment: str, setting: str, seed: int | None) -> str:
    """Return the name of an instance: those of its parts that it has, joined by dots."""
    parts = (experiment, setting, None if seed is None else f"s{seed}")
    return ".".join(part for part in parts if part)


@dataclass
class Instance:
    """One result to be: a stage with settings and inputs.

    experiment, setting, seed: of the first experiment that uses it. The scale's own data set has
    no experiment; data sets and figures have no seed. settings: of the class that the stage
    declares; inputs: role -> instance; modules: those whose code computes it, dotted; seconds:
    expected on one core, or on the scale's GPUs; experiments: all that use it, in order.
    """

    stage: Stage
    experiment: str
    setting: str
    seed: int | None
    settings: object
    inputs: dict[str, Instance]
    modules: tuple[str, ...] = ()
    key: str = ""
    seconds: float = 0.0
    experiments: list[str] = field(default_factory=list)

    def __post_init__(self):
        self.modules = self.modules or self.stage.modules(self.settings)
        self.key = self.key or keys.key_of(self.parts())

    @property
    def name(self) -> str:
        """`fig8.none.s0`, `table8.data`, `fig8`; `data` is the scale's own data set."""
        return full_name(self.experiment, self.setting, self.seed)

    @property
    def label(self) -> str:
        """Stage and name, e.g. `pretrain fig8.none.s0`."""
        return f"{self.stage.name} {self.name}"

    @property
    def device(self) -> str:
        """Device of the computation: `cpu` or `cuda`."""
        return getattr(self.settings, "device", "cpu")

    @property
    def instruction_set(self) -> str:
        """Of the process that computes it: `avx2`, or `avx512` where the settings choose it.

        On a GPU always `avx2`: the choice is about the CPU's arithmetic.
        """
        return getattr(self.settings, "instruction_set", "avx2") if self.device == "cpu" else "avx2"

    @property
    def is_scale_data(self) -> bool:
        """Whether this is the scale's own data set."""
        return self.stage.kind == "data" and not self.experiment

    def parts(self) -> dict:
        """Return all that the key is the hash of (see keys.made_of)."""
        inputs = {role: instance.key for role, instance in self.inputs.items()}
        return keys.made_of(self.stage.name, keyed(self.settings), inputs, self.modules)

    def path(self, store: Path) -> Path:
        """Return its folder; store: results/<scale>."""
        return results.folder(store, self.stage.name, self.key)

    def references(self) -> dict[str, list[str]]:
        """Return role -> [stage, key] of its inputs, as files have them."""
        return {role: [one.stage.name, one.key] for role, one in self.inputs.items()}

    def record(self) -> dict:
        """Return what every provenance says of it, as plain JSON types."""
        return {
            "stage": self.stage.name,
            "key": self.key,
            "name": self.name,
            "settings": to_dict(self.settings),
            "inputs": self.references(),
        }

    def line(self) -> dict:
        """Return it as plain JSON types, for results/<scale>/plan.jsonl."""
        return {
            **self.record(),
            "experiment": self.experiment,
            "setting": self.setting,
            "seed": self.seed,
            "seconds": self.seconds,
        }


def from_line(line: dict, stage: Stage, inputs: dict[str, Instance]) -> Instance:
    """Return the instance of a line that `Instance.line` made. Raises ConfigError."""
    return Instance(
        stage=stage,
        experiment=line["experiment"],
        setting=line["setting"],
        seed=line["seed"],
        settings=build(stage.settings, line["settings"]),
        inputs=inputs,
        key=line["key"],
        seconds=line["seconds"],
    )
