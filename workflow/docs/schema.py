"""Write workflow/scales/schema.json: the JSON Schema of a scale's file, for editors.

python -m workflow.docs.schema     # a test compares the file with the code

It follows from the dataclasses that check a scale: names, types, ranges, choices, defaults; the
comment at a field says what it means. What relates settings to each other (`check` of a class) is
not in it, and to JSON Schema 1.0 is an integer, so `simclr plan SCALE` has the last word.
"""

import ast
import dataclasses
import inspect
import io
import sys
import tokenize
import typing

from simclr.config import MOST_INT, SIZES
from simclr.files import ROOT, write_json
from simclr.registry import STAGES
from workflow import catalog
from workflow.grid import check_lists
from workflow.planning.scale import Scale, Seeds

FILE = ROOT / "workflow" / "scales" / "schema.json"
TYPES = {bool: "boolean", int: "integer", float: "number", str: "string", dict: "object"}
ONCE = {"minItems": 1, "uniqueItems": True}  # of a list: one value or more, each once
EXTENDS = "another scale, whose values stand where this one names none"


def schema() -> dict:
    """Return the schema, as the code has it now."""
    whole = _object(Scale)
    settings = whole["properties"]
    base = {"description": settings["base"]["description"]}
    base |= _closed({stage.name: _object(stage.settings) for stage in STAGES.values()})
    settings["base"] = {"$ref": "#/definitions/base"}
    settings["seeds"] |= ONCE
    own = {"seeds": _object(Seeds)["properties"]["seeds"] | ONCE, "base": settings["base"]}
    settings["experiments"] |= _closed({name: _experiment(name, own) for name in catalog.names()})
    settings["extends"] = {"type": "string", "description": EXTENDS}
    required = [f.name for f in dataclasses.fields(Scale) if f.default is dataclasses.MISSING]
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",  # the newest that editors read whole
        **whole,
        "anyOf": [{"required": required}, {"required": ["extends"]}],
        "definitions": {"base": base},
    }


def _experiment(name: str, own: dict) -> dict:
    """Return the schema of an experiment's grid, beside which seeds and a base may stand."""
    module, entry = catalog.module(name), catalog.entry(name)
    home = sys.modules[module.runs.__module__]  # of another figure of the same runs
    grid = _object(home.Grid)["properties"] if hasattr(home, "Grid") else {}
    described = {"description": f"{entry.number}: {entry.title}"}
    return {**described, **_closed(grid | own), "type": ["object", "null"]}


def _object(cls) -> dict:
    """Return the schema of the mapping that `build` makes an object of a class from."""
    hints, comments = typing.get_type_hints(cls), _comments(cls)
    once = ONCE if getattr(cls, "check", None) is check_lists else {}
    properties = {}
    for field in dataclasses.fields(cls):
        shape = _value(hints[field.name], field.metadata)
        if shape.get("type") == "array":
            shape |= once
        if field.default is not dataclasses.MISSING:
            shape["default"] = field.default
        if field.name in comments:
            shape["description"] = comments[field.name]
        properties[field.name] = shape
    described = {} if "Grid" in cls.__name__ else {"description": inspect.getdoc(cls)}
    return {**described, **_closed(properties)}


def _value(kind, limits) -> dict:
    """Return the schema of a field's value, as `simclr.config` checks it."""
    if dataclasses.is_dataclass(kind):
        return _object(kind)
    if typing.get_origin(kind) is tuple:
        return {"type": "array", "items": _value(typing.get_args(kind)[0], limits)}
    low, high, above = limits["low"], limits["high"], limits["above"]
    if high is None:
        high = {int: MOST_INT, float: SIZES[1]}.get(kind)
    if low is None and above is None:
        low = {int: None, float: -SIZES[1]}.get(kind)
    found = {"enum": limits["choices"], "minimum": low, "maximum": high, "exclusiveMinimum": above}
    if limits["choices"]:
        found = {"enum": limits["choices"]}
    return {"type": TYPES[kind]} | {name: v for name, v in found.items() if v is not None}


def _closed(properties: dict) -> dict:
    """Return the schema of a mapping that may have these keys only."""
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _comments(cls) -> dict[str, str]:
    """Return for each field the comment at the end of its line, or that on the lines above it."""
    found = {}
    for base in reversed(cls.__mro__):
        if not dataclasses.is_dataclass(base):
            continue
        text = inspect.getsource(base)
        lines = {}  # row -> (whether the comment stands on a line of its own, the comment)
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.COMMENT:
                is_alone = token.line.lstrip().startswith("#")
                lines[token.start[0]] = is_alone, token.string.lstrip("# ")
        for node in ast.parse(text).body[0].body:
            if not isinstance(node, ast.AnnAssign):
                continue
            comment = [lines[node.end_lineno][1]] if node.end_lineno in lines else []
            row = node.lineno - 1
            while not lines.get(node.end_lineno) and lines.get(row, (False,))[0]:
                comment.insert(0, lines[row][1])
                row -= 1
            if comment:
                found[node.target.id] = " ".join(comment)
    return found


if __name__ == "__main__":
    write_json(FILE, schema())
