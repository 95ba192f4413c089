"""What every training starts from: data, device, initial weights."""

import os
import shutil
from pathlib import Path

from simclr.config import ConfigError
from simclr.data import packed
from simclr.devices import find_device, place_module
from simclr.models.resnet import build_encoder
from simclr.rng import generator
from simclr.training.batching import steps_per_epoch

COMPILERS = (os.environ.get("CXX", "g++"), os.environ.get("CC", "gcc"), "clang")


def set_up_training(settings, folder: Path):
    """Return (data, device, generator of weights, encoder), as every training starts.

    folder: a prepared data set. Raises ConfigError where the settings do not fit it, or the device
    is not there.
    """
    data = packed.load(folder)
    steps_per_epoch(len(data.train_images), settings.batch_size)
    device = find_device(settings.device)
    if settings.compile and not any(map(shutil.which, COMPILERS)):
        raise ConfigError("compile: needs a C++ compiler; install g++, or set it to false.")
    initial = generator(settings.seed, "weights")
    encoder = place_module(build_encoder(settings.encoder, initial), device)
    encoder.recompute = settings.recompute
    return data, device, initial, encoder
