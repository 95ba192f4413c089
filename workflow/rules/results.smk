# One rule per group of missing results (training and evaluation of a setting, all seeds): one
# process computes them, so that Python and torch start once. Outputs are listed one by one. A
# finished result has no rule. The order is that of the plan: first figures first.


for rank, (group, members) in enumerate(PLAN.groups(MISSING.values()).items()):

    rule:
        name:
            group
        input:
            unfinished(PLAN.inputs(members)),
        output:
            absent(unfinished(members)),
        log:
            f"{PLAN.store}/logs/{group}.log",
        priority: len(PLAN.instances) - rank
        threads: resources.ranks(members, PLAN.scale)
        resources:
            **or_stop(resources.of_job, PLAN, members, MEMORY),
        params:
            wanted=[one.key for one in members],
            scale=PLAN.name,
            ranks=resources.ranks(members, PLAN.scale),
        shell:
            logged(
                "python -m workflow run {params.scale:q} --keys {params.wanted:q}"
                " --ranks {params.ranks}"
            )
