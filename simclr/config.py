"""From untyped YAML to frozen dataclasses, strictly: every error is one line that says what to do.

`build(Pretrain, {...})` refuses unknown keys (offering the nearest valid one), wrong types and
values outside the range that a field declares. It uses nothing but the standard library, so the
workflow can validate a whole scale without importing torch.
"""

import dataclasses
import difflib
import math
import types
import typing

# Numbers beyond these overflow in the libraries that take them: seeds, and float32.
MOST_INT = 2**32 - 1
SIZES = 1e-15, 1e9  # of a float that is not 0


class ConfigError(ValueError):
    """A user's mistake in a setting. The message is one line and names the setting."""

    def __init__(self, message: str):
        super().__init__(printable(message))


class DataError(ConfigError):
    """Data that cannot be used. The message is one line, names the file and says what to do."""


def nearest(word, valid) -> str:
    """Return " Did you mean 'x'?" for the valid word closest to `word`, or the list of them all."""
    valid = sorted(map(str, valid))
    close = difflib.get_close_matches(str(word), valid, n=1, cutoff=0.5)
    return f" Did you mean '{close[0]}'?" if close else f" Valid: {', '.join(valid)}."


def option(
    default=dataclasses.MISSING, *, low=None, high=None, above=None, choices=None, keyed=True
):
    """Declare a dataclass field with its range: low <= value <= high, value > above, or choices.

    keyed: whether the value is part of a result's key; a place is not, its content's hash is.
    """
    limits = {"low": low, "high": high, "above": above, "choices": choices, "keyed": keyed}
    if isinstance(default, type):  # a nested dataclass: its own defaults
        return dataclasses.field(default_factory=default, metadata=limits)
    return dataclasses.field(default=default, metadata=limits)


def build(cls, values, where: str = ""):
    """Build dataclass `cls` from a mapping. Raises ConfigError; `where` prefixes names."""
    if dataclasses.is_dataclass(values) and isinstance(values, cls):
        return values
    if not isinstance(values, dict):
        raise ConfigError(f"{where or cls.__name__}: expected a mapping, got {values!r}.")
    fields = {f.name: f for f in dataclasses.fields(cls)}
    prefix = where + "." if where else ""
    for name in values:
        if name not in fields:
            shown = name if str(name).isprintable() else repr(name)  # a message is one line
            raise ConfigError(f"{prefix}{shown}: unknown setting.{nearest(name, fields)}")
    hints = typing.get_type_hints(cls)
    converted = {}
    for name, field in fields.items():
        if name in values:
            converted[name] = _convert(hints[name], values[name], prefix + name, field.metadata)
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise ConfigError(f"{prefix}{name}: missing; this setting has no default.")
    result = cls(**converted)
    check = getattr(result, "check", None)
    if check is not None:
        problem = check()  # a relation between settings; None or a one-line text
        if problem:
            raise ConfigError(f"{where + ': ' if where else ''}{problem}")
    return result


def to_dict(settings) -> dict:
    """Return the resolved settings as plain JSON types, nested."""
    out = {}
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if dataclasses.is_dataclass(value):
            value = to_dict(value)
        elif isinstance(value, tuple):
            value = list(value)
        out[field.name] = value
    return out


def unkeyed(cls) -> set[str]:
    """Return the names of the fields of `cls` that are no part of a key."""
    return {field.name for field in dataclasses.fields(cls) if not field.metadata["keyed"]}


def keyed(settings) -> dict:
    """Return what of the settings is part of a result's key, as plain JSON types."""
    left_out = unkeyed(type(settings))
    return {name: value for name, value in to_dict(settings).items() if name not in left_out}


def merge(base: dict, overrides: dict) -> dict:
    """Return `base` with `overrides` laid over it, nested mappings merged key by key."""
    merged = dict(base)
    for name, value in overrides.items():
        both = isinstance(value, dict) and isinstance(merged.get(name), dict)
        merged[name] = merge(merged[name], value) if both else value
    return merged


def _convert(kind, value, name, limits):
    if dataclasses.is_dataclass(kind):
        return build(kind, value, name)
    if typing.get_origin(kind) is tuple:
        if not isinstance(value, list | tuple):
            raise ConfigError(f"{name}: expected a list, got {value!r}.")
        item = typing.get_args(kind)[0]
        return tuple(_convert(item, v, f"{name}[{i}]", limits) for i, v in enumerate(value))
    if isinstance(kind, types.UnionType):
        raise TypeError(f"{name}: union types are not supported in settings")
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind:  # bool is not accepted for int, nor "1" for 1
        raise ConfigError(
            f"{name}: expected {kind.__name__}, got {type(value).__name__} {value!r}."
            f"{_as_number(value, kind)}"
        )
    if kind is float and not math.isfinite(value):
        raise ConfigError(f"{name}: must be finite, got {value!r}.")
    if kind is float and value and not SIZES[0] <= abs(value) <= SIZES[1]:
        raise ConfigError(f"{name}: must be 0 or from {SIZES[0]:g} to {SIZES[1]:g}, got {value!r}.")
    choices, low, high, above = (limits.get(k) for k in ("choices", "low", "high", "above"))
    high = MOST_INT if kind is int and high is None else high
    if choices is not None and value not in choices:
        raise ConfigError(f"{name}: {value!r} is not a choice.{nearest(value, choices)}")
    if low is not None and value < low:
        raise ConfigError(f"{name}: must be at least {low}, got {value!r}.")
    if high is not None and value > high:
        raise ConfigError(f"{name}: must be at most {high}, got {value!r}.")
    if above is not None and value <= above:
        raise ConfigError(f"{name}: must be greater than {above}, got {value!r}.")
    return value


def _as_number(value, kind: type) -> str:
    """Return a hint where a text reads as a number: to YAML 1e-3 is a text, 1.0e-3 a number."""
    try:
        number = float(value) if isinstance(value, str) else math.nan
    except ValueError:
        return ""
    if kind is int and number.is_integer():
        return f" Write {int(number)}."
    return f" Write {number!r}." if kind is float and math.isfinite(number) else ""


def one_line(error: Exception) -> str:
    """Return the text of an error as one line."""
    return " ".join(str(error).split()) or type(error).__name__


def printable(text: str) -> str:
    """Escape what cannot be printed on a line: file names may hold line breaks and any bytes."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
