"""Forms of an encoder that others load without this project: a writer and a reader of each.

    onnx         a graph for onnxruntime and others, one file; any number of images
    torchscript  a program for torch, also from C++; any number and size of images
    safetensors  the weights, under torchvision's names

`write(path, encoder, side, about)` writes a frozen encoder of images of `side` pixels; about: JSON
types, stored under the name `about`, in ONNX among `metadata_props`, in safetensors in the
metadata, in TorchScript as an extra file. `read(path)` returns a function of images float32
[N, 3, S, S] to features [N, d], made of nothing but the file.

An encoder gives the same bytes wherever it is written by the same versions of the libraries.
"""

import io
import json
import warnings
import zipfile
from pathlib import Path

import torch
from torch import Tensor, nn

from simclr.config import ConfigError, build
from simclr.models.resnet import ResNet, build_encoder
from simclr.settings.training import Encoder

OPSET = 18  # of ONNX: what torch writes without a conversion
MOST_ONNX = 2**31 - 2**20  # bytes of weights: one file holds 2 GiB
SMALLEST = 8  # pixels of a side that a graph with a free size takes, as settings.Prepare does


def write_onnx(path: Path, encoder: ResNet, side: int, about: dict) -> None:
    """Write one file of ONNX. Raises ConfigError where the weights are too large for it.

    The number of images is free. So is their size with the stem for CIFAR; with that for ImageNet
    the padding of the max-pool depends on it, which the graph cannot express.
    """
    size = sum(value.nbytes for value in encoder.state_dict().values())
    if size > MOST_ONNX:
        raise ConfigError(
            f"--format onnx: a file holds 2 GiB, and the encoder has {size / 2**30:.1f}; choose "
            "torchscript or safetensors."
        )
    free = {0: torch.export.Dim("batch")}
    if not encoder.imagenet_stem:
        names = {2: "height", 3: "width"}
        free |= {axis: torch.export.Dim(name, min=SMALLEST) for axis, name in names.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of torch about itself
        # The older exporter (dynamo=False) is deprecated, and fails at that max-pool.
        model = torch.onnx.export(
            encoder,
            (_example(side),),
            dynamo=True,
            dynamic_shapes=(free,),
            input_names=["images"],
            output_names=["features"],
            opset_version=OPSET,
            external_data=False,
            verbose=False,
        ).model_proto
    # What torch notes on each node names folders of this machine.
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.input, *graph.output, *graph.initializer):
        del part.metadata_props[:]
    del graph.value_info[:]  # shapes within, which readers infer
    model.metadata_props.add(key="about", value=_text(about))
    path.write_bytes(model.SerializeToString(deterministic=True))


def read_onnx(path: Path):
    """Return the function of a file that onnx's checker accepts, computed by onnx's reference.

    That is slow, but it is what ONNX defines its operators to be, and no runtime need be installed.
    """
    import onnx
    from onnx.reference import ReferenceEvaluator

    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    evaluator = ReferenceEvaluator(model)
    return lambda images: torch.tensor(evaluator.run(None, {"images": images.numpy()})[0])


def write_torchscript(path: Path, encoder: ResNet, side: int, about: dict) -> None:
    """Write a traced and frozen program."""
    whole = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # torch keeps it, and adds nothing
        program = torch.jit.freeze(torch.jit.trace(encoder, _example(side), check_trace=False))
        torch.jit.save(program, whole, _extra_files={"about": _text(about)})
    # Left out: notes that name folders of this machine, for traces of errors, and their hash.
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(path, "w") as new:
        for entry in old.infolist():
            if not entry.filename.endswith((".debug_pkl", "/.data/serialization_id")):
                new.writestr(entry, old.read(entry))


def read_torchscript(path: Path):
    """Return the program of a file.

    torch.jit.load runs no Python: a file's code runs in TorchScript's interpreter only. But that
    has operators that read and write files, so load only those of people whom you trust.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return torch.jit.load(path)


def write_safetensors(path: Path, encoder: ResNet, side: int, about: dict) -> None:
    """Write the weights; where they fit a model of torchvision and timm, `about` names it."""
    from safetensors.torch import save

    fitting = {}
    if name := _torchvision_name(build(Encoder, about["encoder"])):
        pool = "ceil_mode=True" if pads_at_the_end(side) else "padding=1"
        fitting = {"torchvision": name, "maxpool": f"MaxPool2d(3, 2, {pool})"}
    path.write_bytes(save(encoder.state_dict(), {"about": _text(about | fitting)}))


def read_safetensors(path: Path):
    """Return a network with the weights of a file: torchvision's where it has one for them."""
    from safetensors import safe_open
    from torchvision.models import get_model

    with safe_open(path, "pt") as file:
        about = json.loads(file.metadata()["about"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    if "torchvision" in about:
        network = get_model(about["torchvision"], weights=None)
        network.fc = nn.Identity()
        if pads_at_the_end(about["image_size"]):
            network.maxpool = nn.MaxPool2d(3, 2, ceil_mode=True)
    else:
        network = build_encoder(build(Encoder, about["encoder"]), torch.Generator())
    network.load_state_dict(tensors)
    return network.eval()


def pads_at_the_end(side: int) -> bool:
    """Return whether max-pooling pads otherwise than torchvision's, of images of this side.

    The map before it has half the side, rounded up. Where that is even, TensorFlow's 'SAME' pads
    only at the end, as nn.MaxPool2d(3, 2, ceil_mode=True) does.
    """
    return (side + 1) // 2 % 2 == 0


def _torchvision_name(settings: Encoder) -> str | None:
    """Return the name of the model, in torchvision and in timm, that has these weights, or None.

    At depths 18 and 34 the authors' ResNet has a projection in its first block, theirs has none.
    """
    fits = (settings.width, settings.base_channels, settings.stem) == (1, 64, "imagenet")
    return f"resnet{settings.depth}" if fits and settings.depth >= 50 else None


def _example(side: int) -> Tensor:
    return torch.zeros(2, 3, side, side)  # a batch of 1 would become part of the graph


def _text(about: dict) -> str:
    return json.dumps(about, sort_keys=True)  # one entry: safetensors orders several at random


FORMATS = {
    "onnx": (write_onnx, read_onnx),
    "torchscript": (write_torchscript, read_torchscript),
    "safetensors": (write_safetensors, read_safetensors),
}
