"""Set up a training: data, device, initial weights."""

import os
import shutil
from pathlib import Path

from torch import Generator

from simclr.config import ConfigError
from simclr.data import packed
from simclr.devices import find_device, place_module
from simclr.models.resnet import build_encoder
from simclr.rng import generator

COMPILERS = (os.environ.get("CXX", "g++"), os.environ.get("CC", "gcc"), "clang")


def initial_generator(settings) -> Generator:
    """Return the generator of the initial weights of a training with `settings`."""
    seed = settings.seed if settings.weights_seed < 0 else settings.weights_seed
    return generator(seed, "weights")


def set_up_training(settings, folder: Path):
    """Return (data, device, generator of initial weights, new encoder).

    settings: a settings.Training; folder: a prepared data set. Raises ConfigError if the settings
    do not fit it, or if the device or the compiler is missing.
    """
    data = packed.load(folder)
    device = find_device(settings.device)
    if settings.compile and not any(map(shutil.which, COMPILERS)):
        raise ConfigError("compile: needs a C++ compiler; install g++, or set it to false.")
    initial = initial_generator(settings)
    encoder = place_module(build_encoder(settings.encoder, initial), device)
    encoder.recompute = settings.recompute
    return data, device, initial, encoder
