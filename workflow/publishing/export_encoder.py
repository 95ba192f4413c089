"""Write a trained encoder for others, compared with the original before the file gets its name."""

from pathlib import Path

import torch
from torch import Tensor, nn

from simclr import files
from simclr.config import ConfigError, to_dict
from simclr.data import image_store, packed
from simclr.data.sources import patterns
from simclr.store import results
from simclr.store.instance import Instance
from workflow.planning.cost import side_of
from workflow.planning.plan import Plan
from workflow.pretrained import load_encoder
from workflow.publishing.encoder_formats import FORMATS

IMAGES, BATCH = 8, 3  # compared, and at once: batches of 3, 3 and 2
TOLERANCE = 1e-5  # of `difference`; float32 in another order gives some 1e-7


def export_encoder(plan: Plan, training: Instance, form: str, out: Path, report=None) -> str:
    """Write the encoder of a finished training to the file `out`, and say what was written.

    form: one of FORMATS; report: called with the number of images that have just been compared.
    Raises ConfigError, and leaves no file, where `out` exists, where the encoder is damaged, and
    where the `difference` of file and encoder on `real_images` is more than 1e-5.
    """
    files.check_destination(out)
    if out.exists():
        raise ConfigError(f"{out}: is there already; remove it, or name another file.")
    folder = training.path(plan.store)
    results.verify(folder, ["encoder.safetensors"])
    encoder, images = load_encoder(folder), real_images(plan, training)
    write, read = FORMATS[form]
    with files.replacing(out) as temporary:
        write(temporary, encoder, images.shape[-1], describe(plan, training))
        found = difference(encoder, read(temporary), images, report)
        if not found <= TOLERANCE:  # nor is nan
            raise ConfigError(
                f"{out}: not written; its features differ from the encoder's by {found:.1e} of the "
                f"largest, more than {TOLERANCE:.0e}; choose another format, and report this."
            )
    return (
        f"{out}: {out.stat().st_size / 1e6:.2g} MB; on {len(images)} images its features differ "
        f"from the encoder's by {found:.1e} of the largest."
    )


def describe(plan: Plan, training: Instance) -> dict:
    """Return what a file says of its origin and its use, as plain JSON types."""
    return {
        "name": training.name,
        "scale": plan.name,
        "stage": training.stage.name,
        "key": training.key,
        "encoder": to_dict(training.settings.encoder),
        "image_size": side_of(training.inputs["data"].settings),
        "input": "RGB images, float32 [N, 3, image_size, image_size], values 0 to 1",
        "normalization": "none: values enter as they are; subtract no mean",
        "output": "features h, before the projection head, float32 [N, d]",
        "license": "MIT; the training images have terms of their own",
    }


def real_images(plan: Plan, training: Instance) -> Tensor:
    """Return the images that are compared, as evaluation shows them: float32 [8, 3, S, S], 0 to 1.

    They are from all over the test images of its data set; where the prepared set is not here,
    embedded patterns of the same size.
    """
    data = training.inputs["data"]
    folder = data.path(plan.store)
    if not results.is_finished(folder):
        drawn, _ = patterns.generate(IMAGES, side_of(data.settings), 0, "test")
        return torch.from_numpy(drawn).float() / 255
    prepared = packed.load(folder)
    rows = torch.linspace(0, len(prepared.test_labels) - 1, IMAGES).long()
    store = image_store.open_split(prepared, "test", torch.device("cpu"), rows)
    every = torch.arange(len(store))
    return store.eval_views(every, store.on_device(every))


@torch.no_grad()
def difference(encoder: nn.Module, other, images: Tensor, report=None) -> float:
    """Return how far the features of `other` are from the encoder's, on images [n, 3, S, S].

    It is the largest absolute difference over all images and dimensions, divided by the largest
    absolute feature of the encoder on these images; nan where either has a nan.
    """
    wanted, found = encoder(images), []
    for batch in images.split(BATCH):
        found.append(other(batch))
        if report:
            report(len(batch))
    largest = wanted.abs().max().clamp_min(1e-30)  # of a collapsed encoder all may be zero
    return ((torch.cat(found) - wanted).abs().max() / largest).item()
