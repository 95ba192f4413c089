# Every figure and table of the paper, at the scale that params.yaml names:
#
#     snakemake                        all of them, on all cores
#     snakemake fig8                   one of them, and only what it needs
#     snakemake --config scale=small   at another scale
#     snakemake --list                 what else has a name
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
    params:
        scale=PLAN.name,
    shell:
        logged("python -m workflow publish {params.scale:q}")


include: "workflow/rules/targets.smk"
include: "workflow/rules/results.smk"


if ASKED:
    or_stop(asked.check_targets, ASKED.targets, MEANINGS, workflow.rules, PLAN)


onstart:
    # Whatever a profile says: an attempt that fails leaves what it finished, and nothing is asked
    # of the programs that would describe an environment for Snakemake's records.
    workflow.execution_settings.keep_incomplete = True
    workflow.execution_settings.keep_metadata = False
    executor = workflow.executor_plugin.name
    chooses = bool(
        getattr(workflow.executor_settings, "partition_config", None)
        or os.environ.get("SNAKEMAKE_SLURM_PARTITIONS")
    )
    jobs = workflow.dag.needrun_jobs()
    or_stop(slurm.check, PLAN, executor, jobs, chooses)
    slurm.tell_jobs(PLAN, executor)
    or_stop(take_lock, PLAN.store)
    or_stop(write_plan, PLAN)
    cores, nodes = (
        workflow.resource_settings.cores,
        workflow.resource_settings.nodes,
    )
    computed = wanted_of(workflow.dag.needrun_jobs())
    or_stop(write_session, PLAN, computed, MISSING, cores, nodes)
    print(summary(PLAN, computed, cores, nodes), file=sys.stderr, flush=True)


onerror:
    if workflow.scheduler.failed:
        text = screen.failure(workflow.scheduler.failed, PLAN.store)
        print(text, file=sys.stderr, flush=True)
    else:
        screen.say_stopped()
    screen.last_words(workflow.logger_manager.logger)
