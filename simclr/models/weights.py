"""Networks in safetensors files, with what is needed to build them again. Nothing is unpickled."""

import hashlib
import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from simclr import files
from simclr.config import ConfigError, DataError, build, one_line, to_dict


def write(path: Path, tensors: dict[str, Tensor], about: dict) -> None:
    """Write a safetensors file atomically: a crash leaves the former one.

    about: JSON types, stored as one entry of its metadata, because several have no fixed order.
    """
    contiguous = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    # Not save_file: its file is for its owner only, and a kill leaves one of a random name.
    content = save(contiguous, {"about": json.dumps(about)})
    with files.replacing(path, sync=True) as temporary:
        temporary.write_bytes(content)


def read_into(path: Path, tensors: dict[str, Tensor]) -> dict:
    """Copy the tensors of a file into `tensors`, in place, and return its `about`.

    Raises ConfigError if the file is not readable or has other tensors than these.
    """
    try:
        with safe_open(path, "pt") as file:
            stored = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            about = json.loads(file.metadata()["about"])
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        problem = f"not readable ({one_line(error)})"
        raise ConfigError(f"{path}: {problem}; delete it and run again.") from None
    wrong = {name for name, value in stored.items() if _shape(value) != _shape(tensors.get(name))}
    wrong |= tensors.keys() - stored.keys()
    if wrong:
        raise ConfigError(f"{path}: tensor {min(wrong)} does not fit; delete it and run again.")
    with torch.no_grad():
        for name, value in stored.items():
            tensors[name].copy_(value)
    return about


def save_network(path: Path, network: nn.Module, settings, data: Path) -> None:
    """Write a network's weights, its settings, and which prepared data set it was trained on."""
    about = {"settings": to_dict(settings), "data": _identity(data)}
    write(path, network.state_dict(), about)


def load_network(path: Path, data: Path | None, cls, builder, *dimensions: int) -> nn.Module:
    """Build the network that `save_network` wrote and load its weights, frozen, in inference mode.

    builder: called as builder(settings, *dimensions, generator) with settings of class `cls`.
    data: folder of the data set that it must have been trained on; None: any. Raises ConfigError
    if the file is not a saved network, DataError if it was trained on another data set.
    """
    try:
        with safe_open(path, "pt") as file:
            about = json.loads(file.metadata()["about"])
        settings, trained_on = build(cls, about["settings"]), about["data"]
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"{path}: not a saved network ({one_line(error)}).") from None
    if data is not None and trained_on != _identity(data):
        raise DataError(f"{path}: was not trained on {data}; evaluate it on its own data set.")
    network = builder(settings, *dimensions, torch.Generator())
    read_into(path, network.state_dict())
    return network.eval().requires_grad_(False)


def _shape(value: Tensor | None):
    return None if value is None else (value.shape, value.dtype)


def _identity(data: Path) -> str:
    """Hash of a data set's description, which holds its counts and pixel statistics."""
    return hashlib.sha256((data / "data.json").read_bytes()).hexdigest()
