"""How many GPUs, processes and nodes compute a result."""

from simclr.config import ConfigError
from simclr.store.runner import TRAINING
from workflow.planning import cost


def ranks(stage: str, settings: dict, gpus: int) -> int:
    """How many processes compute a result, where `gpus` train one network together.

    One, where it is not trained on GPUs, or on one alone.
    """
    together = stage in TRAINING and settings["device"] == "cuda"
    return min(gpus, cost.most(settings)) if together else 1


def gpus_of(scale, stage: str, values: dict) -> int:
    """Return how many GPUs compute one result of these settings together; 0: it needs none."""
    return ranks(stage, values, scale.gpus) if values.get("device") == "cuda" else 0


def nodes(count: int, per_node: int) -> int:
    """How many nodes `count` processes need, `per_node` at most on each. Raises ConfigError."""
    if count <= per_node:
        return 1
    if count % per_node:
        raise ConfigError(
            f"gpus: {count} do not fill nodes of {per_node}; "
            f"take a multiple of gpus_per_node, or as many as one node has."
        )
    return count // per_node
