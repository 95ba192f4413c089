"""Trained encoders in use: by name, through torch.hub, in torchvision's ResNet, on a folder."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.models import resnet18, resnet50

from simclr.config import ConfigError, DataError
from simclr.data import images
from simclr.models.resnet import build_encoder
from simclr.settings.training import Encoder
from simclr.stages import pretrain
from tests.project import MINI, Project
from tests.training import prepare_data, pretrain_settings, run
from workflow import pretrained


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("use")
    data = prepare_data(folder / "data")
    return run(pretrain, pretrain_settings(epochs=1), data, folder / "encoder")


@pytest.fixture
def photographs(tmp_path):
    draws = np.random.default_rng(0)
    folder = tmp_path / "photographs"
    for name, size in (("b/one.png", (20, 12)), ("a.JPG", (9, 9)), ("c.png", (8, 8))):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        pixels = draws.integers(0, 256, (*size, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(folder / name)
    (folder / "notes.txt").write_text("no image")
    return folder


def test_features_are_those_of_each_image_alone(trained, photographs):
    encoder = pretrained.load_encoder(trained)
    files = pretrained.image_files(photographs)
    assert [file.name for file in files] == ["a.JPG", "one.png", "c.png"]
    found = pretrained.features(encoder, files, 8)
    assert found.dtype == np.float32 and found.shape == (3, encoder.feature_dim)
    for file, row in zip(files, found, strict=True):
        pixels = torch.from_numpy(images.decode(file.read_bytes(), 8, "x").copy())[None]
        alone = encoder(pixels.float() / 255)[0]
        assert torch.allclose(alone, torch.from_numpy(row), atol=1e-5)
    assert not any(p.requires_grad for p in encoder.parameters()) and not encoder.training


def test_torchvisions_model_computes_the_same():
    draws = torch.Generator().manual_seed(0)
    encoder = build_encoder(Encoder(depth=50), draws).eval()
    model = pretrained.into_torchvision(encoder, resnet50(weights=None)).eval()
    model.fc = torch.nn.Identity()
    x = torch.rand(2, 3, 65, 65, generator=draws)  # of odd sides both pad alike
    with torch.no_grad():
        assert torch.allclose(model(x), encoder(x), atol=1e-4)
    with pytest.raises(ConfigError, match="depth"):
        pretrained.into_torchvision(encoder, resnet18(weights=None))


def test_mistakes_are_named(trained, photographs, tmp_path):
    with pytest.raises(ConfigError, match="no such folder"):
        pretrained.image_files(tmp_path / "absent")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="no images"):
        pretrained.image_files(tmp_path / "empty")
    (photographs / "c.png").write_bytes(b"not an image")
    (photographs / "a.JPG").write_bytes((photographs / "a.JPG").read_bytes()[:-99])
    encoder, listed = pretrained.load_encoder(trained), pretrained.image_files(photographs)
    with pytest.raises(DataError, match=r"2 of 3 images cannot be used.*a\.JPG.*c\.png.*skip-bad"):
        pretrained.features(encoder, listed, 8)
    skipped = {}
    assert len(pretrained.features(encoder, listed, 8, skipped=skipped)) == 1
    assert [file.name for file in skipped] == ["a.JPG", "c.png"]
    (photographs / "b" / "one.png").write_bytes(b"")
    with pytest.raises(DataError, match="3 of 3"):  # none is left
        pretrained.features(encoder, listed, 8, skipped={})
    with pytest.raises(ConfigError, match=r"encoder\.safetensors"):
        pretrained.load_encoder(tmp_path)


@pytest.mark.slow
def test_the_command_and_torch_hub(photographs, tmp_path):
    project = Project.create(tmp_path / "project")
    smaller = MINI.replace("image_size: 8,", "image_size: 10, view_size: 8,")
    assert smaller != MINI
    project.write("workflow/scales/mini.yaml", smaller)
    name = "table5.l2-0.5.s0"
    arguments = ("features", "mini", name, str(photographs))
    refused = project.simclr(*arguments, check=False)
    assert refused.returncode == 2 and "not computed here" in refused.stdout
    project.simclr("run", "mini", "--only", name, "--stage", "pretrain")
    refused = project.simclr(*arguments, "--out", str(tmp_path / "no" / "x.npz"), check=False)
    assert refused.returncode == 2 and "x.npz: cannot be written" in refused.stdout
    printed = project.simclr(*arguments).stdout
    assert "of 3 images at 8 pixels" in printed and "no images, e.g." in printed
    assert "notes.txt" in printed
    deep = np.full((8, 8), 2000, np.uint16)
    Image.fromarray(deep).save(photographs / "d.png")
    refused = project.simclr(*arguments, check=False)
    assert refused.returncode == 2 and "1 of 4 images cannot be used" in refused.stdout
    printed = project.simclr(*arguments, "--skip-bad").stdout
    assert "skipped: " in printed and "d.png" in printed and "of 3 images" in printed
    assert "of 4 images" in project.simclr(*arguments, "--white-level", "4095").stdout
    for option, low in (("--size", 8), ("--max-megapixels", 1)):
        refused = project.simclr(*arguments, option, "0", check=False)
        assert refused.returncode == 2 and f"{option}: expected {low} to " in refused.stdout
    (photographs / "d.png").unlink()
    project.simclr(*arguments)
    with np.load(photographs / "features.npz", allow_pickle=False) as file:
        found, names = file["features"], file["files"].tolist()
    assert names == ["a.JPG", "b/one.png", "c.png"]
    script = [
        "env",
        "PYTHONPATH=.",
        sys.executable,
        "docs/examples/neighbours.py",
        name,
        str(photographs),
        "mini",
        "8",
    ]
    said = project._run(script, check=True).stdout.splitlines()
    assert [line.split(":")[0] for line in said] == ["a.JPG", "one.png", "c.png"]
    assert len(said[0].split(", ")) == 3
    code = (
        "import sys, torch, numpy as np\n"
        "encoder = torch.hub.load(\n"
        f"    '{project.path}', 'encoder', '{name}', 'mini', source='local')\n"
        "print(type(encoder).__name__, encoder.feature_dim)\n"
    )
    done = subprocess.run(  # from another folder
        [sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    assert done.stdout.split()[-1] == str(found.shape[1])
