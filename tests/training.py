"""A small prepared data set and short trainings, for the tests of the stages that train."""

from pathlib import Path

import numpy as np
import torch

from simclr.config import build, merge
from simclr.settings.data import Prepare
from simclr.settings.training import Pretrain, Supervise
from simclr.stages import prepare
from simclr.training.checkpoint import TrainingState

ENCODER = {"depth": 8, "base_channels": 4, "stem": "cifar"}
COMMON = {
    "encoder": ENCODER,
    "views": {"operators": ["crop", "flip", "color"]},
    "optimizer": {"kind": "sgd", "base_lr": 0.5, "warmup_epochs": 0.5, "weight_decay": 1e-4},
    "batch_size": 20,
    "epochs": 3,
}


def pretrain_settings(**overrides) -> Pretrain:
    base = {**COMMON, "head": {"out_dim": 8}, "loss": {"temperature": 0.5}}
    return build(Pretrain, merge(base, overrides))


def supervise_settings(**overrides) -> Supervise:
    return build(Supervise, merge(COMMON, overrides))


def prepare_data(folder: Path, **overrides) -> Path:
    """Pack 90 + 60 patterns of 8x8 pixels: 4 batches of 20, and 10 images over."""
    settings = {"image_size": 8, "train_images": 90, "test_images": 60, **overrides}
    folder.mkdir()
    prepare.run(build(Prepare, settings), {}, folder, folder / "no checkpoint", silent)
    return folder


def prepare_shades(folder: Path, **overrides) -> Path:
    """The same, with images whose class is their brightness: a few epochs learn it."""
    data = prepare_data(folder, **overrides)
    for split in ("train", "test"):
        labels = np.load(data / f"{split}_labels.npy")
        noise = np.random.default_rng(0).integers(0, 10, (len(labels), 3, 8, 8))
        pixels = 20 * labels[:, None, None, None] + noise
        np.save(data / f"{split}_images.npy", pixels.astype(np.uint8))
    return data


def run(stage, settings, data: Path, out: Path, **inputs) -> Path:
    """Run a stage's module into the new folder `out`, without a checkpoint."""
    out.mkdir(parents=True)
    checkpoint = out.parent / f"{out.name}.checkpoint"
    stage.run(settings, {"data": data, **inputs}, out, checkpoint, silent)
    return out


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


def stop_after_a_save(monkeypatch) -> None:
    """Let the next training raise KeyboardInterrupt once it has saved a checkpoint."""
    save = TrainingState.save

    def save_and_stop(state, path):
        save(state, path)
        raise KeyboardInterrupt

    monkeypatch.setattr(TrainingState, "save", save_and_stop)


def silent(done, text, curve=None):
    assert 0 <= done <= 1 and isinstance(text, str)


def floats(images: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.array(images)).float() / 255
