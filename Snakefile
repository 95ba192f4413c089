# Every figure and table of the paper, at the scale that params.yaml names:
#
#     snakemake --cores all                        all of them
#     snakemake --cores all fig8                   one of them, and only what it needs
#     snakemake --cores all --config scale=small   at another scale
#
# workflow/planning/planner.py plans what must exist, and under which key. A finished result has no
# rule: its path names its content, so there is nothing to check, and no file's date makes it stale.
# Snakemake sees what is missing, and schedules that.


include: "workflow/rules/common.smk"
include: "workflow/rules/report.smk"


# It has no output, so it always runs: it takes a moment, and publishes again what was drawn before
# a change that is now reverted.
rule all:
    input:
        unfinished(PLAN.of_kind("figure")),
        REPORTED,
    log:
        f"{PLAN.store}/logs/publish.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        scale=PLAN.name,
    shell:
        "python -m workflow publish {params.scale:q} 2>&1 | tee {log:q} >&2"


include: "workflow/rules/targets.smk"
include: "workflow/rules/results.smk"


onstart:
    executor = workflow.executor_plugin.name
    chooses = bool(
        getattr(workflow.executor_settings, "partition_config", None)
        or os.environ.get("SNAKEMAKE_SLURM_PARTITIONS")
    )
    or_stop(slurm.check, PLAN, executor, workflow.dag.needrun_jobs(), chooses)
    slurm.tell_jobs(PLAN, executor)
    or_stop(take_lock, PLAN.store)
    or_stop(write_plan, PLAN)
    or_stop(write_session, PLAN, MISSING)
    print(
        summary(
            PLAN, workflow.resource_settings.cores, workflow.resource_settings.nodes
        ),
        file=sys.stderr,
        flush=True,
    )
