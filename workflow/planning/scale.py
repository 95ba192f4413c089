"""A scale: base settings, seeds, and the grid of each experiment, from workflow/scales/*.yaml."""

import contextlib
import re
from dataclasses import dataclass
from pathlib import Path

import yaml

from simclr import files
from simclr.config import ConfigError, build, merge, nearest, one_line, option
from simclr.registry import STAGES
from workflow import catalog

SCALES = files.ROOT / "workflow" / "scales"
MOST_VALUES = 10_000  # of a scale file; the largest here has some hundreds


@dataclass(frozen=True)
class Seeds:
    """`seeds` of one experiment, where it has others than the scale's."""

    seeds: tuple[int, ...] = option(low=0)

    def check(self):
        return _bad_seeds(self.seeds)


def _bad_seeds(seeds) -> str | None:
    if not seeds or len(set(seeds)) < len(seeds):
        return "seeds: give one or more, each once."
    return None


def _bad_base(base) -> str | None:
    if not isinstance(base, dict):
        return f"base: expected a mapping, got {base!r}."
    for stage, values in base.items():
        if stage not in STAGES:
            return f"base.{stage}: unknown stage.{nearest(stage, STAGES)}"
        if not isinstance(values, dict):
            return f"base.{stage}: expected a mapping, got {values!r}."
    return None


@dataclass(frozen=True)
class Scale:
    """The content of workflow/scales/<name>.yaml."""

    title: str = option()
    seeds: tuple[int, ...] = option(low=0)
    base: dict = option()  # stage -> settings laid over the defaults of simclr/settings/
    # Experiment -> its grid, in the order of execution: what shows something early comes first.
    # Beside the grid maybe its own `seeds`, and `base`, settings laid over those above.
    experiments: dict = option()
    device: str = option("cpu", choices=("cpu", "cuda"))
    precision: str = option("float32", choices=("float32", "bfloat16"))
    instruction_set: str = option("avx2", choices=("avx2", "avx512"))  # of the CPU
    # Rates of one core or GPU, for estimates of time only (planning/cost.py). The defaults are
    # those of a core, fitted to `tiny` and `small` (`python -m workflow.docs.cost_page --check`).
    gmacs_per_second: float = option(250.0, above=0.0)  # 1e9 multiply-adds
    gelements_per_second: float = option(0.32, above=0.0)  # 1e9 outputs of convolutions
    step_milliseconds: float = option(2.3, low=0.0)  # what a training step costs besides
    measured: str = option("")  # on what, by which command
    assumed: str = option("")  # or, where none was: of what hardware, and what is a guess
    startup_seconds: float = option(4.0, low=0.0)  # of a process: Python, torch
    gpus: int = option(1, low=1)  # that train one network together, by torchrun
    gpus_per_node: int = option(8, low=1)
    gpu_gigabytes: float = option(80.0, above=0.0)  # memory of one GPU

    def check(self):
        if problem := _bad_seeds(self.seeds):
            return problem
        if self.measured and self.assumed:
            return "measured, assumed: the rates are one or the other; give one."
        if problem := _bad_base(self.base):
            return problem
        known = catalog.names()
        for name, grid in self.experiments.items():
            if name not in known:
                return f"experiments.{name}: unknown experiment.{nearest(name, known)}"
            if not isinstance(grid, dict | None):
                return f"experiments.{name}: expected a mapping, got {grid!r}."
        return None

    @property
    def basis(self) -> str:
        """What the rates rest on: 'measured: ...' or 'assumed, not measured: ...'."""
        if self.measured:
            return f"measured: {self.measured}"
        return f"assumed, not measured: {self.assumed}" if self.assumed else "assumed, not measured"

    def devices(self, cls) -> dict:
        """Those of the scale's device, precision and instruction set that class `cls` has."""
        names = ("device", "precision", "instruction_set")
        return {name: getattr(self, name) for name in names if name in cls.__dataclass_fields__}

    def grid(self, experiment: str, where: str = "") -> tuple[dict, tuple[int, ...], dict]:
        """Return (grid, seeds, base) of an experiment. Raises ConfigError for unusable ones."""
        grid = self.experiments[experiment] or {}
        own = {name: grid[name] for name in ("seeds", "base") if name in grid}
        seeds = self.seeds
        if "seeds" in own:
            seeds = build(Seeds, {"seeds": own["seeds"]}, where).seeds
        if problem := _bad_base(own.get("base", {})):
            raise ConfigError(f"{where}.{problem}")
        grid = {name: value for name, value in grid.items() if name not in own}
        return grid, seeds, merge(self.base, own.get("base", {}))


def load_scale(name: str, folder: Path = SCALES) -> Scale:
    """Read and validate the scale `name`. Raises ConfigError."""
    values = _read_scale(name, folder)
    if name.startswith("-") or set(name) & set("{}") or not name.isprintable() or _as_config(name):
        raise ConfigError(
            f"scale {name!r}: cannot be a name, since the drivers read it as something else; use "
            "letters, digits and . _ -, beginning with a letter, and rename its file."
        )
    return build(Scale, values, f"scale {name}")


def _as_config(name: str) -> bool:
    """Tell whether `snakemake --config scale=NAME` means another text, as with 1e3 or [a]."""

    def as_yaml(text: str):
        return getattr(yaml.compose(text, Loader=yaml.SafeLoader), "value", None)

    for read in (int, float, as_yaml):
        with contextlib.suppress(ValueError, yaml.YAMLError):
            return str(read(name)) != name
    return False


def _read_scale(name: str, folder: Path, children: tuple[str, ...] = ()) -> dict:
    known = sorted(p.stem for p in folder.glob("*.yaml"))
    if name not in known:
        where = f"workflow/scales/{children[-1]}.yaml: extends" if children else "scale"
        if f"{name}.yml" in {p.name for p in folder.glob("*.yml")}:
            raise ConfigError(f"{where} {name!r}: only .yaml is read; rename {name}.yml to that.")
        raise ConfigError(f"{where} {name!r}: unknown.{nearest(name, known)}")
    if name in children:
        raise ConfigError(f"workflow/scales/{name}.yaml: extends itself; remove `extends`.")
    values = read_yaml(folder / f"{name}.yaml", f"workflow/scales/{name}.yaml")
    if not isinstance(values, dict):
        raise ConfigError(f"workflow/scales/{name}.yaml: expected a mapping.")
    if _more_than(MOST_VALUES, values):
        raise ConfigError(
            f"workflow/scales/{name}.yaml: more than {MOST_VALUES:,} values, each alias (*name) "
            "counted as what it stands for; make it smaller."
        )
    if "extends" not in values:
        return values
    parent = values.pop("extends")
    if not isinstance(parent, str) or not parent:
        raise ConfigError(
            f"workflow/scales/{name}.yaml: extends: expected the name of a scale, got {parent!r}."
        )
    return merge(_read_scale(parent, folder, (*children, name)), values)


class _Loader(yaml.SafeLoader):
    """Refuse a key that stands twice: YAML's own loses what stands under the first, silently."""

    def construct_mapping(self, node, deep=False):
        lines = {}
        for key, _ in node.value:
            name, line = str(key.value), key.start_mark.line + 1
            if name in lines:
                raise yaml.YAMLError(f"line {line}: {name} stands in line {lines[name]} already")
            lines[name] = line
        return super().construct_mapping(node, deep)

    def construct_number(self, node):
        """Refuse 010, 0b11 and 1:30, to YAML 8, 3 and 90: nobody means them here."""
        if re.match(r"[-+]?0[0-9b_]|.*:", node.value):
            line = node.start_mark.line + 1
            raise yaml.YAMLError(f"line {line}: {node.value}: write it as a decimal number")
        is_whole = node.tag.endswith(":int")
        return self.construct_yaml_int(node) if is_whole else self.construct_yaml_float(node)


for kind in ("int", "float"):
    _Loader.add_constructor(f"tag:yaml.org,2002:{kind}", _Loader.construct_number)


def read_yaml(path: Path, shown: str):
    """Return what a YAML file has. Raises ConfigError, which calls the file `shown`."""
    try:
        loader = _Loader(files.read_text(path))
        return loader.get_single_data()
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: not UTF-8, dates
        raise ConfigError(f"{shown}: not valid YAML: {one_line(error)}") from None


def _more_than(most: int, values) -> bool:
    """Whether there are more values than that in nested lists and mappings.

    Ten aliases of ten aliases, nine times over, are a short file, and a billion values when they
    are checked or shown; an alias of itself never ends.
    """
    todo, count = [values], 0
    while todo and count <= most:
        one = todo.pop()
        inner = [*one.keys(), *one.values()] if isinstance(one, dict) else one
        if isinstance(inner, list):
            todo += inner[: most + 1]
        count += 1
    return count > most


def default_scale() -> str:
    """The scale that params.yaml names: the one that every command without a scale means."""
    params = read_yaml(files.ROOT / "params.yaml", "params.yaml")
    if not isinstance(params, dict) or not isinstance(params.get("scale"), str):
        raise ConfigError("params.yaml: expected `scale: <name>`, e.g. `scale: tiny`.")
    for name in params:
        if name != "scale":
            raise ConfigError(f"params.yaml: {name}: unknown.{nearest(name, ['scale'])}")
    return params["scale"]
