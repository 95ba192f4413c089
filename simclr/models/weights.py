"""Networks in safetensors files, with what is needed to build them again. Nothing is unpickled."""

import hashlib
import json
import os
from contextlib import suppress
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from simclr.config import ConfigError, DataError, build, to_dict


def write(path: Path, tensors: dict[str, Tensor], about: dict) -> None:
    """Write a safetensors file atomically: a crash leaves the former one.

    about: JSON types, stored as one entry of its metadata, because several have no fixed order.
    """
    contiguous = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    content = save(contiguous, {"about": json.dumps(about)})
    temporary = path.with_name(path.name + ".part")
    try:
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()


def read_into(path: Path, tensors: dict[str, Tensor]) -> dict:
    """Copy the tensors of a file into `tensors`, in place, and return its `about`.

    Raises ConfigError if the file is not readable or has other tensors than these.
    """
    try:
        with safe_open(path, "pt") as file:
            stored = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            about = json.loads(file.metadata()["about"])
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"{path}: not readable ({reason}); delete it and run again.") from None
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
        reason = " ".join(str(error).split())
        raise ConfigError(f"{path}: not a saved network ({reason}).") from None
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
