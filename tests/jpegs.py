"""A generated folder of images in the layout of ImageNet, with all its oddities; and its tar files.

Sizes and shapes vary as there; some are CMYK, gray, PNG with an alpha channel under the name
.JPEG, or turned by EXIF. Used by the tests and by benchmarks/loader.py.
"""

import io
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from simclr.data.sources import imagenet, imagenet_files

KINDS = ("RGB", "RGB", "RGB", "RGB", "CMYK", "L", "RGBA", "turned")
TURNED = 6  # EXIF: the camera was turned by 90 degrees


def picture(number: int, side: float, noise: int = 0) -> tuple[Image.Image, str]:
    """A random picture and its kind, of KINDS: about `side` pixels, aspect 1/2 to 2.

    Smooth, but for `noise` levels up or down.
    """
    rng = np.random.default_rng(number)
    scale, aspect = side * rng.uniform(0.7, 1.4), 2 ** rng.uniform(-1, 1)
    size = round(scale * aspect**0.5), round(scale / aspect**0.5)
    kind = KINDS[number % len(KINDS)]
    mode = {"turned": "RGB"}.get(kind, kind)
    coarse = rng.integers(0, 256, (12, 16, len(mode)), dtype=np.uint8)
    coarse = coarse[:, :, 0] if mode == "L" else coarse
    image = Image.fromarray(coarse, mode).resize(size, Image.Resampling.BICUBIC)
    if noise:
        smooth = np.asarray(image).astype(np.int16)
        levels = smooth + rng.integers(-noise, noise + 1, smooth.shape, dtype=np.int16)
        image = Image.fromarray(levels.clip(0, 255).astype(np.uint8), mode)
    return image, kind


def encoded(number: int, side: float, noise: int = 0) -> bytes:
    """The content of an image file."""
    image, kind = picture(number, side, noise)
    file, more = io.BytesIO(), {}
    if kind == "turned":
        exif = Image.Exif()
        exif[0x0112] = TURNED
        more["exif"] = exif
    image.save(file, "PNG" if kind == "RGBA" else "JPEG", **more)
    return file.getvalue()


def class_names(count: int) -> list[str]:
    """The first classes of ImageNet."""
    return imagenet.WNIDS.read_text(encoding="utf-8").split()[:count]


def write_folder(
    top: Path, classes: int, train: int, val: int, side: float = 64.0, noise: int = 0
) -> Path:
    """Write train/CLASS/CLASS_NUMBER.JPEG, and val/CLASS/ILSVRC2012_val_NUMBER.JPEG; images of
    each class: `train` and `val`."""
    jobs = []
    for k, name in enumerate(class_names(classes)):
        for split, count in (("train", train), ("val", val)):
            (top / split / name).mkdir(parents=True)
            for n in range(count):
                number = k * count + n + 10**6 * (split == "val")
                # Validation images have one numbering, in which classes are mixed.
                place = n * classes + (k * 7 + n) % classes + 1
                file = f"{name}_{n}" if split == "train" else f"ILSVRC2012_val_{place:08d}"
                jobs.append((top / split / name / f"{file}.JPEG", number))
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda job: job[0].write_bytes(encoded(job[1], side, noise)), jobs))
    return top


def write_tars(folder: Path, top: Path) -> Path:
    """Write the images of `folder` as the three files that ImageNet is given out as."""
    from scipy.io import savemat

    top.mkdir(parents=True)
    train, val, devkit = (top / name for name in imagenet_files.TARS)
    names = sorted(path.name for path in (folder / "train").iterdir())
    with tarfile.open(train, "w") as archive:
        for name in names:
            inner = io.BytesIO()
            with tarfile.open(fileobj=inner, mode="w") as one:
                for image in sorted((folder / "train" / name).iterdir()):
                    one.add(image, image.name)
            add(archive, f"{name}.tar", inner.getvalue())
    images = sorted((folder / "val").glob("*/*"), key=lambda image: image.name)
    with tarfile.open(val, "w") as archive:
        for image in images:
            archive.add(image, image.name)
    # The development kit numbers the classes in an order of its own.
    numbers = {name: len(names) - k for k, name in enumerate(names)}
    kind = np.dtype([("ILSVRC2012_ID", np.float64), ("WNID", object)])
    synsets = np.array([(numbers[name], name) for name in names], kind)
    meta = io.BytesIO()
    savemat(meta, {"synsets": synsets})
    truth = "".join(f"{numbers[image.parent.name]}\n" for image in images)
    with tarfile.open(devkit, "w:gz") as archive:
        add(archive, "ILSVRC2012_devkit_t12/data/meta.mat", meta.getvalue())
        add(
            archive,
            "ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt",
            truth.encode(),
        )
    return top


def add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    """Add a file with this content."""
    info = tarfile.TarInfo(name)
    info.size = len(content)
    archive.addfile(info, io.BytesIO(content))
