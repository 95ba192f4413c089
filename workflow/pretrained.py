"""Using a trained encoder: load it in a line, give it to torchvision, extract features of a folder.

from workflow.pretrained import find_training, load_encoder
encoder = load_encoder(find_training("fig8.nonlinear-128.s0", "tiny"))
features = encoder(images)  # float images [N, 3, S, S] between 0 and 1 -> [N, d]
"""

import os
import re
from pathlib import Path

import numpy as np
import torch
from torch import nn

from simclr.config import ConfigError, DataError, one_line
from simclr.data import archives, images, which_files
from simclr.files import ROOT
from simclr.models import weights
from simclr.models.resnet import build_encoder
from simclr.settings.training import Encoder
from simclr.store import results
from simclr.store.instance import Instance
from workflow.planning.plan import Plan
from workflow.planning.planner import build_plan
from workflow.planning.scale import default_scale

BATCH = 256  # images decoded and encoded at once


def find_training(name: str, scale: str | None = None) -> Path:
    """Return the folder of the training with this name (or key) at a scale, if it is there.

    name: as `simclr plan --list` prints it, e.g. fig8.nonlinear-128.s0. Raises ConfigError.
    """
    plan = build_plan(scale or default_scale())
    return ROOT / match_training(plan, name).path(plan.store)


def match_training(plan: Plan, name: str) -> Instance:
    """Return the finished training with this name (or key) in a plan. Raises ConfigError."""
    trainings = [i for i in plan.match(name) if i.stage.kind == "encoder"]
    if len(trainings) != 1:  # none: that is the name of a figure, for instance
        count = len(trainings) or sum(i.name.startswith(name) for i in plan.of_kind("encoder"))
        raise ConfigError(f"{name}: {count} trainings begin with it; name one, with its seed.")
    if not results.is_finished(ROOT / trainings[0].path(plan.store)):
        raise ConfigError(f"{name}: not computed here; run it, or `dvc pull` it.")
    return trainings[0]


def load_encoder(folder: Path | str) -> nn.Module:
    """Return the frozen encoder of a training's folder, in inference mode, on the CPU.

    It maps float images [N, 3, S, S] between 0 and 1 to features h [N, d]. Raises ConfigError.
    """
    path = Path(folder) / "encoder.safetensors"
    return weights.load_network(path, None, Encoder, build_encoder)


def into_torchvision(encoder: nn.Module, model: nn.Module) -> nn.Module:
    """Copy an encoder's weights into torchvision's model of its depth; its `fc` stays as it is.

    encoder: of depth 50, 101 or 152, width 1, 64 channels and the ImageNet stem (at 18 and 34 the
    authors' ResNet has a projection in its first block, torchvision's has not); model: for instance
    torchvision.models.resnet50(). Returns the model. Raises ConfigError where they do not fit.
    """
    state = encoder.state_dict()
    try:
        missing, unexpected = model.load_state_dict(state, strict=False)
    except RuntimeError:
        raise ConfigError("the encoder's shapes differ from the model's; take its depth.") from None
    absent = [n for n in missing if not n.startswith("fc.") and "num_batches" not in n]
    if absent or unexpected:
        raise ConfigError(f"{(absent or unexpected)[0]}: not in both; take the encoder's depth.")
    return model


def sort_files(folder: Path) -> tuple[list[Path], list[Path]]:
    """Return the images below a folder and its other files, both sorted by name.

    Hidden files and the litter of operating systems are in neither. Raises ConfigError if there is
    no image.
    """
    if not folder.is_dir():
        problem = "not a folder; name one of images" if folder.exists() else "no such folder"
        raise ConfigError(f"{folder}: {problem}.")
    found, others, suffixes = [], [], images.suffixes()
    for file in which_files.walk(folder):
        is_named = file.path.suffix.lower() in suffixes
        is_image = is_named or (images.is_image(file.path) and not _is_prose(file.path))
        (found if is_image else others).append(file.path)
    if not found:
        raise ConfigError(f"{folder}: no images below it ({', '.join(images.FORMATS)}).")
    return found, others


def _is_prose(file: Path) -> bool:
    """Tell whether a file is text that begins as images do, like a table of patients P1 and P2."""
    try:
        with open(file, "rb") as opened:
            start = opened.read(64)
    except OSError:
        return False
    is_text = start.isascii() and all(c >= 32 or c in b"\t\n\r" for c in start)
    return is_text and not re.match(rb"P[1-6]\s+[#\d]", start)


def image_files(folder: Path) -> list[Path]:
    """Return the images below a folder, sorted by name. Raises ConfigError if there is none."""
    return sort_files(folder)[0]


def name_of(file: Path, folder: Path) -> str:
    """Return the name of a file below a folder; bytes that are no UTF-8 are kept as surrogates."""
    return os.fsencode(file.relative_to(folder).as_posix()).decode("utf-8", "surrogateescape")


@torch.no_grad()
def features(
    encoder: nn.Module,
    files: list[Path],
    side: int,
    report=None,
    reading: images.Reading = images.PLAIN,
    skipped: dict[Path, str] | None = None,
) -> np.ndarray:
    """Return features h, float32 [N, d], of image files, cropped to a square and resized to `side`.

    skipped: takes the problem of each file that cannot be used, which then has no features. Without
    it raises DataError, after the last file, which names these.
    """
    batches, problems = [], {}
    for start in range(0, len(files), BATCH):
        batch, pixels = files[start : start + BATCH], []
        for file in batch:
            try:
                pixels.append(images.decode(_content(file), side, str(file), reading))
            except (DataError, OSError) as error:
                problems[file] = one_line(error)
        if pixels:
            batches.append(encoder(torch.from_numpy(np.stack(pixels)).float() / 255).numpy())
        if report:
            report(len(batch))
    if problems and (skipped is None or not batches):
        bad = images.bad_images(list(problems.values()), len(files))
        raise DataError(f"{bad}; fix or remove them, or leave them out by --skip-bad.")
    if skipped is not None:
        skipped.update(problems)
    return np.concatenate(batches)


def _content(file: Path) -> bytes:
    size = file.stat().st_size
    if size > archives.MAX_BYTES:
        raise DataError(f"{file}: {size:,} bytes, no image{images.REMOVE}")
    return file.read_bytes()
