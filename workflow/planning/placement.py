"""How many GPUs, processes and nodes compute a result."""

from simclr.config import ConfigError
from simclr.registry import Stage
from workflow.planning import cost


def ranks(stage: Stage, settings, gpus: int) -> int:
    """Return how many processes compute a result, where `gpus` train one network together.

    One, where it is not trained on GPUs, or on only one.
    """
    together = stage.trains and settings.device == "cuda"
    return min(gpus, cost.most_gpus(settings)) if together else 1


def gpus_of(scale, stage: Stage, settings) -> int:
    """Return how many GPUs compute one result of these settings together; 0: it needs none."""
    on_gpu = getattr(settings, "device", "cpu") == "cuda"
    return ranks(stage, settings, scale.gpus) if on_gpu else 0


def nodes(count: int, per_node: int) -> int:
    """Return how many nodes `count` processes need, `per_node` at most on each.

    Raises ConfigError where they do not fill nodes.
    """
    if count <= per_node:
        return 1
    if count % per_node:
        raise ConfigError(
            f"gpus: {count} do not fill nodes of {per_node}; "
            f"take a multiple of gpus_per_node, or as many as one node has."
        )
    return count // per_node
