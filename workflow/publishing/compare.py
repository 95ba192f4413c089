"""How results compare with the published ones."""

from workflow.planning.planner import Plan
from workflow.publishing.published import measured, published_line, read_published


def compare_metrics(plan: Plan) -> str:
    """Say how many metrics of this scale are identical to the published ones, and which are not."""
    published = read_published(plan.scale)
    if not published:
        return f"Nothing is published for scale {plan.scale} yet (`simclr export` does it)."
    same, different, absent, largest = 0, [], 0, (0.0, "")
    for instance in measured(plan):
        line = published_line(instance, plan.store)
        other = published.get(instance.key)
        if line is None or other is None:
            absent += line is not None
            continue
        for name in sorted(set(line["metrics"]) | set(other["metrics"])):
            ours, theirs = line["metrics"].get(name), other["metrics"].get(name)
            if ours == theirs:
                same += 1
                continue
            different.append(f"{instance.name} {name}: {ours} (published: {theirs})")
            if ours is not None and theirs is not None:
                largest = max(largest, (abs(ours - theirs), f"{instance.name} {name}"))
    lines = [f"{same} of {same + len(different)} metrics identical to the published ones."]
    if different:
        lines.append(f"Largest difference {largest[0]:.4g} ({largest[1]}). The first that differ:")
        lines += [f"  {text}" for text in different[:5]]
        theirs = next(iter(published.values()))["hardware"]
        lines.append(f"Other processors round differently; the published ones ran on: {theirs}.")
    if absent:
        lines.append(f"{absent} results have no published counterpart (settings or code differ).")
    return "\n".join(lines)
