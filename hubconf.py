"""For torch.hub: `torch.hub.load("PATH", "encoder", "fig8.nonlinear-128.s0", source="local")`."""

dependencies = ["torch", "safetensors", "yaml", "PIL"]


def encoder(name: str, scale: str | None = None):
    """The frozen encoder of a training by its name in `simclr plan --list`, computed here."""
    from workflow.pretrained import find_training, load_encoder

    return load_encoder(find_training(name, scale))
