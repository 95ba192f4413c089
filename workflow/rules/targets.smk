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
        conda:
            ENVIRONMENT
        params:
            scale=PLAN.name,
            figure=figure.experiment,
        shell:
            "python -m workflow publish {params.scale:q} --figures {params.figure:q}"
            " 2>&1 | tee {log:q} >&2"


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
        conda:
            ENVIRONMENT
        params:
            scale=PLAN.name,
            figures=[one.name for one in figures],
        shell:
            "python -m workflow publish {params.scale:q} --figures {params.figures:q}"
            " 2>&1 | tee {log:q} >&2"


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
        conda:
            ENVIRONMENT
        params:
            scale=PLAN.name,
            stage=stage,
        shell:
            "python -m workflow verify {params.scale:q} --stage {params.stage:q}"
            " 2>&1 | tee {log:q} >&2"


# Without this, Snakemake would take a misspelled name for a file that no rule makes.
rule unknown_target:
    input:
        nearest_target,
    output:
        "{name}",
    log:
        f"{PLAN.store}/logs/unknown_{{name}}.log",
    wildcard_constraints:
        name="[A-Za-z0-9_-]+",
    localrule: True
    conda:
        ENVIRONMENT
    shell:
        "false 2> {log:q}"
