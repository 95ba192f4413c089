"""The ro-crate-metadata.json of a scale's crate: which entity stands for what.

Its profile is Provenance Run Crate 0.5 (https://w3id.org/ro/wfrun/provenance/0.5): a workflow and
its run, and for each result the run (`CreateAction`) of a tool, a stage with code and versions.
"""

import hashlib
import json

import yaml
from rocrate.model.contextentity import ContextEntity
from rocrate.model.entity import Entity
from rocrate.rocrate import ROCrate

from simclr.config import keyed
from simclr.store import keys
from workflow import catalog
from workflow.planning.plan import Plan
from workflow.publishing.checkout import Checkout
from workflow.publishing.published import published_file

METADATA = "ro-crate-metadata.json"
SETTINGS = "settings.jsonl"
NAME = "SimCLR, the paper as a program: scale"
TERMS = "https://w3id.org/ro/terms/workflow-run/context"  # has `resourceUsage` and `sha256`
# Each profile rests on those above it, and all on RO-Crate 1.1.
PROFILES = {
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": "Workflow RO-Crate",
    "https://w3id.org/ro/wfrun/process/0.5": "Process Run Crate",
    "https://w3id.org/ro/wfrun/workflow/0.5": "Workflow Run Crate",
    "https://w3id.org/ro/wfrun/provenance/0.5": "Provenance Run Crate",
}
FORMATS = {  # of other files: text/plain. The system's own table differs from machine to machine.
    "csv": "text/csv",
    "html": "text/html",
    "json": "application/json",
    "jsonl": "application/jsonl",
    "md": "text/markdown",
    "png": "image/png",
    "svg": "image/svg+xml",
    "yaml": "application/yaml",
}


def metadata(plan: Plan, lines: list[dict], checkout: Checkout, contents: dict[str, bytes]) -> dict:
    """Return the metadata of a crate as JSON-LD.

    lines: what is published; contents: of every other file of the crate, by name. Raises
    ConfigError where a line does not say how it was made.
    """
    crate = ROCrate(version="1.1")
    crate.metadata.extra_contexts.append(TERMS)
    citation = yaml.safe_load(contents["CITATION.cff"])
    authors = [_add_author(crate, one) for one in citation["authors"]]
    made = {"version": checkout.version, "author": authors}
    files = _add_files(crate, plan.name, contents)
    workflow = crate.add_workflow(
        dest_path="Snakefile",
        properties=_facts("Snakefile", contents) | made,
        main=True,
        lang="snakemake",
        lang_version=keys.locked()["snakemake"],
    )
    scale, metrics = files[f"workflow/scales/{plan.name}.yaml"], files[_metrics_of(plan)]
    images, figures = _add_images(crate, plan), crate.get("paper_figures/")
    workflow["input"] = [
        _add_parameter(crate, "settings", "File", scale),
        _add_parameter(crate, "images", "PropertyValue", images),
    ]
    workflow["output"] = [
        _add_parameter(crate, "metrics", "File", metrics),
        _add_parameter(crate, "figures", "Dataset", figures),
    ]
    whole = crate.add_action(
        workflow,
        "#run",
        object=[scale, images],
        result=[metrics, figures],
        properties={"name": f"scale {plan.name}", "description": _agreement(plan, lines)},
    )
    if checkout.published:
        whole["endTime"] = checkout.published  # no later: then they were committed
    parts = [
        *_add_results(crate, lines, set(plan.instances), [files[SETTINGS], images], metrics),
        *_add_figures(crate, plan, files, contents, checkout.version),
    ]
    tools = {part["instrument"].id: part["instrument"] for part in parts}
    workflow["hasPart"] = list(tools.values())
    for run in (whole, *parts):
        run["agent"] = authors
    name = citation["license"]
    about_crate = {
        **made,
        "name": f"{NAME} {plan.name}",
        "description": _description(plan, lines, checkout),
        "datePublished": checkout.date,
        "license": _add(crate, f"https://spdx.org/licenses/{name}", "CreativeWork", name=name),
        "citation": _add_paper(crate, citation["preferred-citation"]),
        "mentions": [whole, *parts],
        "conformsTo": [
            _add(crate, url, "CreativeWork", name=name, version=url.rpartition("/")[2])
            for url, name in PROFILES.items()
        ],
    }
    for name, value in about_crate.items():
        crate.root_dataset[name] = value
    files["README.md"]["about"] = crate.root_dataset
    return crate.metadata.generate()


def _metrics_of(plan: Plan) -> str:
    return published_file(plan.name).as_posix()


def _agreement(plan: Plan, lines: list[dict]) -> str:
    """Return how many results are of the code and settings that are in the crate."""
    others = sum(line["key"] not in plan.instances for line in lines)
    text = f"{len(lines) - others} of {len(lines)} results have the key that this code and the "
    text += f"settings workflow/scales/{plan.name}.yaml give"
    return f"{text}; the others are of other code or settings." if others else f"{text}."


def _description(plan: Plan, lines: list[dict], checkout: Checkout) -> str:
    """Return what somebody who has only the crate must know."""
    changed = checkout.changed
    differing = f"{len(changed)} files differ from it, e.g. {changed[0]}" if changed else "clean"
    return (
        f"What is published of scale {plan.name}, {plan.scale.title}: {len(lines)} results "
        f"({_metrics_of(plan)}), figures and tables (paper_figures/{plan.name}), and all code. "
        f"The code is that of Git commit {checkout.commit}, {checkout.date} ({differing}). "
        f"{_agreement(plan, lines)} {SETTINGS} has the settings of each key. Computed on "
        f"{'; '.join(sorted({line['hardware'] for line in lines}))}. README.md says how to set "
        f"this folder up; then `simclr import {plan.name}` brings the results in."
    )


def _add(crate: ROCrate, identifier: str, kind: str, **properties) -> Entity:
    """Add an entity that is no file, or return the one that is there already."""
    made = ContextEntity(crate, identifier, {"@type": kind, **properties})
    return crate.get(identifier) or crate.add(made)


def _hashed(kind: str, value) -> str:
    """Return a name for what has no key: equal values have the same."""
    return f"#{kind}-{hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:12]}"


def _facts(name: str, contents: dict[str, bytes]) -> dict:
    """Return what every file says of itself."""
    return {
        "name": name,
        "encodingFormat": FORMATS.get(name.rpartition(".")[2], "text/plain"),
        "contentSize": str(len(contents[name])),
        "sha256": hashlib.sha256(contents[name]).hexdigest(),
    }


def _add_files(crate: ROCrate, scale: str, contents: dict[str, bytes]) -> dict[str, Entity]:
    """Add the folders at the top; as files those at the top, the scale, metrics and figures."""
    for top in sorted({name.partition("/")[0] for name in contents if "/" in name}):
        crate.add_dataset(dest_path=top, properties={"name": top})
    own = ("paper_figures/", "data/published/", f"workflow/scales/{scale}.yaml")
    return {
        name: crate.add_file(dest_path=name, properties=_facts(name, contents))
        for name in contents
        if ("/" not in name or name.startswith(own)) and name != "Snakefile"
    }


def _add_images(crate: ROCrate, plan: Plan) -> Entity:
    """Add the scale's own data set: its source, its numbers, the SHA-256 where it has one."""
    data = plan.scale_data
    value = json.dumps(keyed(data.settings), sort_keys=True)
    return _add(crate, "#images", "PropertyValue", name=f"images, key {data.key}", value=value)


def _add_parameter(crate: ROCrate, name: str, kind: str, example: Entity) -> Entity:
    parameter = crate.add_formal_parameter(name, kind, f"#parameter-{name}")
    parameter["workExample"], example["exampleOfWork"] = example, parameter
    return parameter


def _add_results(
    crate: ROCrate, lines: list[dict], planned: set[str], read: list[Entity], metrics: Entity
) -> list[Entity]:
    """Add the run of a stage for each line; read: what those with a planned key rest on."""
    runs = []
    for line in lines:
        text = f"Key {line['key']} in {metrics.id}."
        if training := line.get("training"):
            text += f" It reads the encoder {training['key']}, trained in {training['seconds']} s."
        if line["key"] not in planned:
            text += " It is of other code or settings than those in the crate."
        run = crate.add_action(
            _add_tool(crate, line),
            f"#{line['key']}",
            object=read if line["key"] in planned else None,
            result=metrics,
            properties={"name": f"{line['stage']} {line['name']}", "description": text},
        )
        run["resourceUsage"] = [_add_usage(crate, "hardware", line["hardware"])]
        if "seconds" in line:
            seconds = _add_usage(crate, "seconds", line["seconds"], unitCode="SEC")
            run.append_to("resourceUsage", seconds)
        runs.append(run)
    return runs


def _add_usage(crate: ROCrate, name: str, value, **unit) -> Entity:
    facts = {"name": name, "propertyID": name, "value": value}
    return _add(crate, _hashed(name, value), "PropertyValue", **facts, **unit)


def _add_tool(crate: ROCrate, line: dict) -> Entity:
    """Add the stage that made a result, with the hash of its code, and its libraries."""
    libraries = [
        _add(crate, f"#{name}-{number}", "SoftwareApplication", name=name, softwareVersion=number)
        for name, number in line["versions"].items()
    ]
    return _add(
        crate,
        _hashed(line["stage"], [line["code"], line["versions"]]),
        "SoftwareApplication",
        name=f"stage {line['stage']}",
        softwareVersion=line["code"],
        softwareRequirements=libraries,
    )


def _add_figures(
    crate: ROCrate, plan: Plan, files: dict, contents: dict[str, bytes], version: str
) -> list[Entity]:
    """Add the run of stage `figures` for each figure that is published."""
    facts = {"name": "stage figures", "softwareVersion": version}
    runs = []
    for figure in plan.of_kind("figure"):
        start = f"paper_figures/{plan.name}/{figure.experiment}."
        if caption := contents.get(f"{start}caption.md"):
            entry = catalog.entry(figure.experiment)
            run = crate.add_action(
                _add(crate, "#figures", "SoftwareApplication", **facts),
                f"#{figure.experiment}",
                object=files[_metrics_of(plan)],
                result=[entity for name, entity in files.items() if name.startswith(start)],
                properties={
                    "name": f"{entry.number}: {entry.title}",
                    "description": caption.decode().strip(),
                },
            )
            runs.append(run)
    return runs


def _add_paper(crate: ROCrate, paper: dict) -> Entity:
    return _add(
        crate,
        paper["url"],
        "ScholarlyArticle",
        name=paper["title"],
        author=[_add_author(crate, one) for one in paper["authors"]],
        datePublished=str(paper["year"]),
    )


def _add_author(crate: ROCrate, author: dict) -> Entity:
    """Add an author of CITATION.cff: a person, or else an organization, which has one name."""
    kind = "Organization" if "name" in author else "Person"
    name = author.get("name") or f"{author['given-names']} {author['family-names']}"
    return _add(crate, f"#{name.replace(' ', '-')}", kind, name=name)
