"""Encoders written for others: they load without this project and give the same features."""

import copy
import datetime
import json
import re
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime
import pytest
import timm
import torch
import torchvision
from safetensors import safe_open
from safetensors.torch import load_file

from simclr.config import ConfigError, merge
from simclr.models import weights
from simclr.models.batch_norm import BatchNorm
from simclr.models.resnet import ResNet, build_encoder, max_pool_same
from simclr.settings.training import Encoder
from simclr.store.provenance import write_provenance
from tests.project import MINI, ROOT
from tests.training import floats, prepare_data
from workflow import cli
from workflow.planning.planner import build_plan
from workflow.pretrained import load_encoder
from workflow.publishing import export_encoder as exporting
from workflow.publishing.encoder_formats import (
    FORMATS,
    pads_at_the_end,
    write_onnx,
    write_safetensors,
)

SMALL = {"depth": 8, "base_channels": 4, "stem": "cifar"}
DEEP = {"depth": 50, "base_channels": 64, "stem": "imagenet"}
PAGE = (ROOT / "docs" / "browsing.md").read_text()


def random_encoder(settings: dict) -> ResNet:
    """With random weights and statistics, so that no branch is silent."""
    draws = torch.Generator().manual_seed(0)
    encoder = build_encoder(Encoder(**settings), draws).eval().requires_grad_(False)
    for norm in (one for one in encoder.modules() if isinstance(one, BatchNorm)):
        for value in (norm.weight, norm.running_var):
            value.uniform_(0.5, 1.5, generator=draws)
        for value in (norm.bias, norm.running_mean):
            value.uniform_(-0.1, 0.1, generator=draws)
    return encoder


def random_images(*shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(1))


def relative(found, wanted) -> float:
    """Largest difference, relative to the largest feature."""
    return float(abs(np.asarray(found) - wanted.numpy()).max() / wanted.abs().max())


class Trained:
    """A plan with one finished training, of random weights."""

    def __init__(self, folder, settings: dict, side: int = 8):
        text = MINI.replace("{depth: 8, base_channels: 4, stem: cifar}", json.dumps(settings))
        text = text.replace("image_size: 8,", f"image_size: {side},")
        (folder / "mini.yaml").write_text(text)
        (folder / "data.json").write_text("{}")
        self.plan = build_plan("mini", folder)
        self.training = self.plan.of("pretrain")[0]
        self.path = folder / self.training.path(self.plan.store)
        self.path.mkdir(parents=True)
        self.encoder = random_encoder(settings)
        self.save()

    def save(self):
        file = self.path / "encoder.safetensors"
        weights.save_network(file, self.encoder, self.training.settings.encoder, file.parents[4])
        write_provenance(self.training, self.path, datetime.datetime.now(datetime.UTC), 1.0)

    def export(self, form: str, out):
        return exporting.export_encoder(self.plan, self.training, form, out)


@pytest.fixture
def small(tmp_path, monkeypatch) -> Trained:
    monkeypatch.chdir(tmp_path)
    return Trained(tmp_path, SMALL)


def check_about(about: dict, trained: Trained):
    training, plan = trained.training, trained.plan
    assert (about["name"], about["scale"]) == (training.name, plan.name)
    assert (about["key"], about["encoder"]) == (training.key, merge(SMALL, {"width": 1}))
    assert about["image_size"] == 8 and about["normalization"].startswith("none")
    licence = re.search(r'^license = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert about["license"].startswith(licence[1])


def test_torchscript_takes_any_number_and_size_of_images(small, tmp_path):
    """Also with the pool of the ImageNet stem, whose padding depends on the size."""
    said = small.export("torchscript", tmp_path / "encoder.pt")
    wanted = r"encoder\.pt: 0\.0\d+ MB; on 8 images .+ by \d\.\de-\d\d of the largest\.$"
    assert re.search(wanted, said), said
    for encoder in (small.encoder, random_encoder({**SMALL, "stem": "imagenet"})):
        write, read = FORMATS["torchscript"]
        write(tmp_path / "other.pt", encoder, 8, {})
        for shape in ((1, 3, 8, 8), (3, 3, 14, 13), (2, 3, 33, 40)):
            x = random_images(*shape)
            assert relative(read(tmp_path / "other.pt")(x), encoder(x)) < 1e-5


def test_safetensors_have_the_encoder_s_own_weights(small, tmp_path):
    small.export("safetensors", tmp_path / "encoder.safetensors")
    stored, own = load_file(tmp_path / "encoder.safetensors"), small.encoder.state_dict()
    assert stored.keys() == own.keys() and all(torch.equal(stored[n], own[n]) for n in own)
    with safe_open(tmp_path / "encoder.safetensors", "pt") as file:
        about = json.loads(file.metadata()["about"])
    check_about(about, small)
    assert "torchvision" not in about


def test_the_named_pool_is_the_encoder_s_at_every_size():
    """The page says it in words: padding at both ends at one or two more than a multiple of 4."""
    for side in range(8, 20):
        before = random_images(1, 3, (side + 1) // 2, (side + 1) // 2)
        pool = torch.nn.MaxPool2d(3, 2, padding=1)
        if pads_at_the_end(side):
            pool = torch.nn.MaxPool2d(3, 2, ceil_mode=True)
        assert torch.equal(pool(before), max_pool_same(before))
        assert pads_at_the_end(side) == (side % 4 not in (1, 2))


@pytest.mark.slow
@pytest.mark.parametrize("side", [32, 33])
def test_torchvision_and_timm_take_the_weights(tmp_path, monkeypatch, side):
    """Strictly, by name; and compute the same, with the pool that the file names."""
    monkeypatch.chdir(tmp_path)
    trained = Trained(tmp_path, DEEP, side)
    trained.export("safetensors", tmp_path / "encoder.safetensors")
    with safe_open(tmp_path / "encoder.safetensors", "pt") as file:
        about = json.loads(file.metadata()["about"])
    x = random_images(2, 3, side, side)
    wanted = trained.encoder(x)
    for model in (
        torchvision.models.get_model(about["torchvision"], weights=None),
        timm.create_model(about["torchvision"], pretrained=False),
    ):
        model.fc = torch.nn.Identity()
        model.load_state_dict(load_file(tmp_path / "encoder.safetensors"))
        pools = {32: "MaxPool2d(3, 2, ceil_mode=True)", 33: "MaxPool2d(3, 2, padding=1)"}
        assert about["maxpool"] == pools[side]
        if side == 32:
            model.maxpool = torch.nn.MaxPool2d(3, 2, ceil_mode=True)
        with torch.no_grad():
            assert relative(model.eval()(x), wanted) < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize(("depth", "stem"), [(18, "imagenet"), (34, "imagenet"), (50, "cifar")])
def test_no_model_of_timm_takes_the_others(depth, stem):
    """So their files name none: a projection in the first block, or another first convolution."""

    def shapes(model):
        return {(name, tuple(value.shape)) for name, value in model.state_dict().items()}

    with torch.device("meta"):
        own = shapes(ResNet(Encoder(depth=depth, stem=stem)))
        names = timm.list_models(f"resnet{depth}*")
        theirs = [shapes(timm.create_model(name, pretrained=False)) for name in names]
    assert len(theirs) > 1 and all(own - one for one in theirs)


@pytest.mark.slow
@pytest.mark.parametrize("stem", ["cifar", "imagenet"])
def test_onnxruntime_gives_the_same(tmp_path, stem):
    encoder, file = random_encoder({**SMALL, "stem": stem}), tmp_path / "encoder.onnx"
    write_onnx(file, encoder, 16, {"name": "x"})
    onnx.checker.check_model(onnx.load(file), full_check=True)
    assert str(ROOT).encode() not in file.read_bytes() and list(tmp_path.iterdir()) == [file]
    session = onnxruntime.InferenceSession(file)
    assert json.loads(session.get_modelmeta().custom_metadata_map["about"]) == {"name": "x"}
    sides = [(16, 16), (8, 8), (15, 40)] if stem == "cifar" else [(16, 16)]
    for number, side in enumerate(sides, 1):
        x = random_images(number, 3, *side)
        (found,) = session.run(None, {"images": x.numpy()})
        assert relative(found, encoder(x)) < 1e-5
    if stem == "imagenet":  # whose pool pads for this size
        with pytest.raises(Exception, match="INVALID_ARGUMENT"):
            session.run(None, {"images": random_images(1, 3, 15, 15).numpy()})


def test_more_weights_than_a_file_of_onnx_holds_are_refused(tmp_path):
    with torch.device("meta"):  # shapes only
        encoder = ResNet(Encoder(depth=152, width=4))
    with pytest.raises(ConfigError, match=r"holds 2 GiB, and the encoder has 3\.\d; choose torch"):
        write_onnx(tmp_path / "encoder.onnx", encoder, 224, {})


@pytest.mark.parametrize("share", [1e-4, float("nan")])
def test_a_file_that_gives_other_features_is_not_left(small, tmp_path, monkeypatch, share):
    """Of a writer that changes the weights a little."""

    def wrong(path, encoder, side, about):
        changed = copy.deepcopy(encoder)
        changed.bn1.bias += share
        write_safetensors(path, changed, side, about)

    monkeypatch.setitem(FORMATS, "safetensors", (wrong, FORMATS["safetensors"][1]))
    before = sorted(tmp_path.iterdir())
    with pytest.raises(ConfigError, match="not written; its features differ from the encoder's"):
        small.export("safetensors", tmp_path / "encoder.safetensors")
    assert sorted(tmp_path.iterdir()) == before


def test_mistakes_are_refused_before_anything_is_written(small, tmp_path):
    out = tmp_path / "encoder.pt"
    out.write_text("mine")
    with pytest.raises(ConfigError, match="is there already"):
        small.export("torchscript", out)
    assert out.read_text() == "mine"
    with pytest.raises(ConfigError, match="cannot be written"):
        small.export("torchscript", tmp_path / "absent" / "encoder.pt")
    file = small.path / "encoder.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"\1")
    with pytest.raises(ConfigError, match=r"encoder\.safetensors: content differs"):
        small.export("torchscript", tmp_path / "other.pt")
    assert not (tmp_path / "other.pt").exists()


def test_images_are_those_of_the_prepared_set_or_patterns(small, tmp_path):
    drawn = exporting.real_images(small.plan, small.training)
    assert drawn.shape == (8, 3, 8, 8) and 0 <= drawn.min() < drawn.max() <= 1
    data = small.training.inputs["data"]
    folder = tmp_path / data.path(small.plan.store)
    folder.parent.mkdir(parents=True)
    prepare_data(folder)
    write_provenance(data, folder, datetime.datetime.now(datetime.UTC), 1.0)
    test = floats(np.load(folder / "test_images.npy", allow_pickle=False))
    found = exporting.real_images(small.plan, small.training)
    assert torch.equal(found, test[[0, 8, 16, 25, 33, 42, 50, 59]])


def test_the_command_knows_each_format():
    text = (ROOT / "workflow" / "cli.py").read_text()
    assert f"choices=({', '.join(json.dumps(form) for form in FORMATS)})" in text
    with pytest.raises(SystemExit) as stopped:
        cli.main(["export-encoder", "fig8.nonlinear-128.s0", "--format", "pickle", "--out", "x"])
    assert stopped.value.code == 2


# -- as others use it -----------------------------------------------------------------------------

OTHERS = """
import json, sys
import numpy, onnxruntime, torch

images = numpy.load("images.npy")
session = onnxruntime.InferenceSession("encoder.onnx")
extra = {"about": ""}
program = torch.jit.load("encoder.pt", _extra_files=extra)
numpy.savez(
    "found.npz",
    onnx=session.run(None, {"images": images})[0],
    torchscript=program(torch.from_numpy(images)).numpy(),
)
print(session.get_modelmeta().custom_metadata_map["about"])
print(extra["about"].decode())
assert not {"simclr", "workflow"} & set(sys.modules)
"""


def run_elsewhere(code: str, folder) -> str:
    """Run Python in a folder where this project cannot be imported."""
    words = [sys.executable, "-W", "error::UserWarning", "-c", code]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_command_writes_what_others_load_and_the_same_bytes_in_a_copy(finished, tmp_path):
    """By the command of the docs; nothing in a file names the folder that it was made in."""
    name, copied = "table5.l2-0.5.s0", finished.copy(tmp_path / "copied")
    command = re.search(r"^simclr (export-encoder .+)$", PAGE, re.MULTILINE)[1]
    for form, file in (("onnx", "encoder.onnx"), ("torchscript", "encoder.pt")):
        names = {"tiny": "mini", "fig8.nonlinear-128.s0": name, "onnx": form}
        names["encoder.onnx"] = tmp_path / file
        said = finished.simclr(*[names.get(word, word) for word in command.split()]).stdout
        assert said.startswith(f"{tmp_path / file}: 0.0") and said.count("\n") == 1, said
        again = tmp_path / f"again.{form}"
        copied.simclr("export-encoder", name, "--format", form, "--out", again)
        content = (tmp_path / file).read_bytes()
        assert content == again.read_bytes() and str(finished.path).encode() not in content
    (training,) = [one for one in finished.store.glob("pretrain/*") if is_of(name, one)]
    images = floats(np.load(next(finished.store.glob("prepare/*/test_images.npy"))))
    np.save(tmp_path / "images.npy", images.numpy())
    abouts = [json.loads(line) for line in run_elsewhere(OTHERS, tmp_path).splitlines()]
    assert abouts[0] == abouts[1] and abouts[0]["key"] == training.name
    assert (abouts[0]["name"], abouts[0]["scale"]) == (name, "mini")
    with np.load(tmp_path / "found.npz", allow_pickle=False) as found:
        for form in ("onnx", "torchscript"):
            assert relative(found[form], load_encoder(training)(images)) < 1e-5


def is_of(name: str, folder) -> bool:
    return json.loads((folder / "provenance.json").read_text())["name"] == name


@pytest.mark.slow
def test_the_snippets_of_the_docs_give_the_encoder_s_features(tmp_path):
    """With files of the names that the page uses, and `images` of either library."""
    part = PAGE.partition("### In a form that others load")[2]
    snippets = re.findall(r"```python\n(.*?)```", part, re.DOTALL)
    small, deep = random_encoder(SMALL), random_encoder(DEEP)
    for form, name, encoder, settings in (
        ("onnx", "encoder.onnx", small, SMALL),
        ("torchscript", "encoder.pt", small, SMALL),
        ("safetensors", "encoder.safetensors", deep, DEEP),
    ):
        write, _ = FORMATS[form]
        write(tmp_path / name, encoder, 32, {"encoder": settings, "image_size": 32})
    x = random_images(2, 3, 32, 32)
    np.save(tmp_path / "images.npy", x.numpy())
    theirs = 'timm.create_model("resnet50", pretrained=False)'
    ours = "torchvision.models.resnet50(weights=None)"
    with_onnx, with_torch, with_torchvision = snippets
    assert f"`{theirs}`" in part and with_torchvision.splitlines()[3] == f"model = {ours}"
    with_timm = f"import timm\n{with_torchvision.replace(ours, theirs)}"
    code = ['import numpy, torch\nimages = numpy.load("images.npy")\n']
    for name, snippet in (
        ("onnx", with_onnx),
        ("torch", f"images = torch.from_numpy(images)\n{with_torch}"),
        ("torchvision", with_torchvision),
        ("timm", with_timm),
    ):
        code.append(f"{snippet}numpy.save('{name}.npy', torch.as_tensor(features).detach())\n")
    run_elsewhere("".join(code), tmp_path)
    for name, encoder in (("onnx", small), ("torch", small), ("torchvision", deep), ("timm", deep)):
        found = np.load(tmp_path / f"{name}.npy", allow_pickle=False)
        assert relative(found, encoder(x)) < 1e-5, name
