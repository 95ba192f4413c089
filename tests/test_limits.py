"""What bad input can cost: the memory that a process takes until it is done, or refuses."""

import os
import subprocess
import sys

import pytest

from tests.project import ROOT

MIB = {"image": 2000, "refusal": 300}  # the first for each of the threads that decode at once
# What it may cost, how it is made, what is imported, how it is read, what is said.
CASES = {
    "the largest image": (
        "image",
        """
from PIL import Image
Image.new("RGBA", (10_000, 10_000)).save("x", "PNG", compress_level=1)
""",
        """
from simclr.data import images
""",
        """
images.decode(open("x", "rb").read(), 32, "x")
""",
        "taken",
    ),
    "an image that is larger": (
        "refusal",
        """
from PIL import Image
Image.new("L", (10_001, 10_000)).save("x", "PNG", compress_level=1)
""",
        """
from simclr.data import images
""",
        """
images.decode(open("x", "rb").read(), 32, "x")
""",
        "10001 x 10000 pixels are too many",
    ),
    "a member of half a gigabyte": (
        "refusal",
        """
import zipfile
with zipfile.ZipFile("x.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
    archive.writestr("test/a/0.png", "")
    with archive.open("train/a/0.png", "w", force_zip64=True) as member:
        for _ in range(50):
            member.write(bytes(10_000_000))
""",
        """
from pathlib import Path
from simclr.data.sources import folder
from simclr.stages import prepare
from simclr.settings.data import Prepare
""",
        """
found = folder.fingerprint(Path("x.zip").resolve())
settings = Prepare(source="folder", file="x.zip", sha256=found, image_size=8)
prepare.run(settings, {}, Path(), Path("checkpoint"), lambda *_: None)
""",
        "train/a/0.png",
    ),
    "tensors with a header of a terabyte": (
        "refusal",
        'open("x", "wb").write((2**40).to_bytes(8, "little") + bytes(100))',
        """
from pathlib import Path
from simclr.models import weights
""",
        """
weights.read_into(Path("x"), {})
""",
        "x: ",
    ),
    "an array of a petabyte": (
        "refusal",
        """
import numpy as np
header = {"descr": "|u1", "fortran_order": False, "shape": (10**9, 3, 600, 600)}
with open("train_images.npy", "wb") as file:
    np.lib.format.write_array_header_1_0(file, header)
""",
        """
from pathlib import Path
from simclr.data import packed
""",
        """
packed.load(Path())
""",
        "train_images.npy: not a readable array",
    ),
}
READ = """
import resource
from simclr.config import ConfigError
{modules}
def most():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
before, said = most(), "taken"
try:
    {read}
except ConfigError as error:
    said = str(error)
print(most() - before, said)
"""


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_memory(case, tmp_path):
    kind, make, modules, read, wanted = CASES[case]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "SIMCLR_DATA_DIR": str(tmp_path)}

    def run(code: str) -> str:
        command = [sys.executable, "-W", "ignore", "-c", code]
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    run(make)
    code = READ.format(modules=modules.strip(), read=read.strip().replace("\n", "\n    "))
    peak, said = run(code).strip().split(" ", 1)
    assert wanted in said and "\n" not in said, said
    assert int(peak) < MIB[kind], f"{peak} MiB"
