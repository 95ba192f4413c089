# `snakemake --report report.html`: the published figures, by kind, with their captions.
# These rules exist only for a report: a run publishes what it has finished.
from workflow.catalog import category, labels

REPORTED = []

for figure in PLAN.of_kind("figure") if ASKED and ASKED.report else []:
    folder = f"paper_figures/{PLAN.name}"
    REPORTED.append(f"{folder}/{figure.name}.svg")

    rule:
        name:
            f"report_{figure.name}"
        output:
            report(
                f"{folder}/{figure.name}.svg",
                caption=f"../../{folder}/{figure.name}.caption.md",
                category=category(figure.name),
                labels=labels(figure.name),
            ),
        log:
            f"{PLAN.store}/logs/report_{figure.name}.log",
        localrule: True
        params:
            scale=PLAN.name,
            figure=figure.name,
        shell:
            logged(
                "python -m workflow publish {params.scale:q} --figures {params.figure:q}"
            )
