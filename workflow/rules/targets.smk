# The names that people type, beside `all`.


# `snakemake fig8`: one figure, published; nothing else is computed.
for figure in PLAN.of_kind("figure"):

    rule:
        name:
            figure.experiment
        input:
            unfinished([figure]),
        log:
            f"{PLAN.store}/logs/publish_{figure.name}.log",
        localrule: True
        params:
            scale=PLAN.name,
            figure=figure.experiment,
        shell:
            logged(
                "python -m workflow publish {params.scale:q} --figures {params.figure:q}"
            )


# `snakemake augmentation`: a family of figures, published; `snakemake core`: three families.
for family, members in FAMILIES.items():
    figures = [one for one in PLAN.of_kind("figure") if one.name in members]

    rule:
        name:
            family
        input:
            unfinished(figures),
        log:
            f"{PLAN.store}/logs/publish_{family}.log",
        localrule: True
        params:
            scale=PLAN.name,
            figures=[one.name for one in figures],
        shell:
            logged(
                "python -m workflow publish {params.scale:q} --figures {params.figures:q}"
            )


# `snakemake pretrain`: one stage (DVC's stages call these); what it recorded is verified.
for stage in DVC_STAGES:

    rule:
        name:
            stage
        input:
            unfinished(PLAN.of(*covered_by(stage))),
        log:
            f"{PLAN.store}/logs/verify_{stage}.log",
        localrule: True
        params:
            scale=PLAN.name,
            stage=stage,
        shell:
            logged(
                "python -m workflow verify {params.scale:q} --stage {params.stage:q}"
            )


# What each name means, for `snakemake --list`, and for who misspells one.
MEANINGS = {
    "all": "every figure and table of the scale",
    **{family: f"of {', '.join(members)}" for family, members in FAMILIES.items()},
    "prepare": "every data set, verified",
    "pretrain": "every encoder, verified",
    "evaluate": "every measurement of an encoder or of the data, verified",
    "figures": "every figure and table, verified and not published",
}
for figure in PLAN.of_kind("figure"):
    MEANINGS[figure.name] = ": ".join(entry(figure.name)[1:])
for name, meaning in MEANINGS.items():
    workflow.get_rule(name).docstring = meaning
