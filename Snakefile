# Every figure and table of the paper, at the scale that params.yaml names:
#
#     snakemake --cores all                        all of them
#     snakemake --cores all fig8                   one of them, and only what it needs
#     snakemake --cores all --config scale=small   at another scale
#
# What must exist, and under which key, is planned in workflow/planning/planner.py. A finished result has no
# rule: its path names its content, so there is nothing to check and nothing that a file's date
# could make stale. Snakemake sees what is missing, and schedules that.


include: "workflow/rules/common.smk"
include: "workflow/rules/report.smk"


# No output, so it always runs: it takes a moment, and re-publishes what was drawn before when a
# change is reverted.
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
