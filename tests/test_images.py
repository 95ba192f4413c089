"""How an image file is read: formats, metadata, several pictures, depth, size (docs/images.md)."""

import dataclasses
import io
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from simclr.config import DataError
from simclr.data import archives, bit_depth, images, which_files
from simclr.data.images import Reading
from simclr.settings.data import Prepare
from tests.project import ROOT

RED, BLUE = Image.new("RGB", (16, 12), "red"), Image.new("RGB", (64, 48), "blue")
TWELVE = np.linspace(0, 4095, 64).astype(np.uint16).reshape(8, 8)
SIXTEEN = np.linspace(0, 65535, 64).astype(np.uint16).reshape(8, 8)
EIGHT = (SIXTEEN >> 8).astype(np.uint8)


def encoded(image, kind: str, **options) -> bytes:
    """An image, or an array, as a file. Copies: Pillow leaves JPEG options on what it saves."""
    buffer = io.BytesIO()
    image = image.copy() if isinstance(image, Image.Image) else Image.fromarray(image)
    if "append_images" in options:
        options["append_images"] = [one.copy() for one in options["append_images"]]
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk of a PNG file."""
    length, checksum = len(content), zlib.crc32(kind + content)
    return struct.pack(">I", length) + kind + content + struct.pack(">I", checksum)


def with_chunk(png: bytes, one: bytes) -> bytes:
    return png[:33] + one + png[33:]  # after the header


def with_segment(jpeg: bytes, kind: int, content: bytes) -> bytes:
    return jpeg[:2] + struct.pack(">BBH", 0xFF, kind, len(content) + 2) + content + jpeg[2:]


def colors16(values: np.ndarray) -> bytes:
    """A PNG file with these values, uint16 [8, 8], as its red, green and blue."""
    rows = np.stack([values] * 3, -1).astype(">u2")
    pixels = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    header = struct.pack(">IIBBBBB", 8, 8, 16, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        chunk(*one) for one in ((b"IHDR", header), (b"IDAT", pixels), (b"IEND", b""))
    )


def tiff(content: bytes, bits: int, photometric: int) -> bytes:
    """A gray TIFF file of 8 x 8 pixels."""
    tags = {256: 8, 257: 8, 258: bits, 259: 1, 262: photometric, 273: 122, 277: 1, 278: 8}
    tags[279] = len(content)
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    return struct.pack("<2sHIH", b"II", 42, 8, len(tags)) + entries + bytes(4) + content


def refused(content: bytes, *texts, reading=images.PLAIN) -> None:
    with pytest.raises(DataError) as error:
        images.decode(content, 8, "one.png", reading)
    assert all(text in str(error.value) for text in ("one.png: ", *texts)), error.value


@pytest.mark.parametrize("kind", ["EPS", "ICO", "JPEG2000", "PCX", "TGA"])
def test_no_other_format_is_read(kind):
    refused(encoded(RED, kind), "none of BMP, GIF, JPEG, PNG, PPM, TIFF, WEBP")


def test_no_other_program_is_started(tmp_path):
    """Ghostscript would read EPS; here it leaves a trace."""
    (tmp_path / "gs").write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
    (tmp_path / "gs").chmod(0o755)
    (tmp_path / "9.jpg").write_bytes(encoded(RED, "EPS"))
    code = "import sys; from simclr.data import images\n"
    code += "images.decode(open(sys.argv[1], 'rb').read(), 8, 'x')"
    command = [sys.executable, "-c", code, tmp_path / "9.jpg"]
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert "none of BMP" in done.stderr and not (tmp_path / "started").exists()


LONG = zlib.compress(b"x" * 2_000_000)
JPEG, PNG = encoded(EIGHT, "JPEG"), encoded(EIGHT, "PNG")


@pytest.mark.parametrize(
    "plain, spoiled",
    [
        (PNG, with_chunk(PNG, chunk(b"eXIf", b"garbage"))),
        (PNG, with_chunk(PNG, chunk(b"zTXt", b"key\0\0" + LONG))),
        (PNG, with_chunk(PNG, chunk(b"iCCP", b"x\0\0garbage"))),
        (PNG, with_chunk(PNG, chunk(b"iTXt", b"abc")[:-1] + b"?")),  # and a wrong checksum
        (PNG, with_chunk(PNG, chunk(b"acTL", b"garbage"))),
        (JPEG, with_segment(JPEG, 0xE1, b"Exif\0\0garbage")),
        (JPEG, with_segment(JPEG, 0xE2, b"MPF\0garbage")),
        (JPEG, with_segment(JPEG, 0xE2, b"ICC_PROFILE\0")),
        (JPEG, with_segment(JPEG, 0xED, b"Photoshop 3.0\0x")),
        (JPEG, with_segment(JPEG, 0xFE, b"")),
    ],
)
def test_metadata_that_are_not_needed_do_not_decide(plain, spoiled):
    assert plain != spoiled
    made, expected = (images.decode(content, 8, "x") for content in (spoiled, plain))
    np.testing.assert_array_equal(made, expected)


def test_damaged_metadata_leave_the_orientation():
    half = Image.new("L", (8, 8), 0)
    half.paste(255, (0, 0, 8, 4))  # white above
    exif = Image.Exif()
    exif[0x0112] = 3
    content = with_chunk(encoded(half, "PNG", exif=exif), chunk(b"zTXt", b"key\0\0" + LONG))
    assert images.decode(content, 8, "x")[0, :, 0].tolist() == [0] * 4 + [255] * 4


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("turned, corner, aspect", [(1, 255, 2), (3, 0, 2), (8, 255, 0.5)])
def test_orientation_of_every_format(kind, turned, corner, aspect):
    half = Image.new("RGB", (16, 8), "black")
    half.paste("white", (0, 0, 16, 4))
    exif = Image.Exif()
    exif[0x0112] = turned
    options = {"WEBP": {"lossless": True}}.get(kind, {})
    made = images.decode_whole(encoded(half, kind, exif=exif, **options), 8, "x")
    assert made[1] == aspect and abs(int(made[0][0, 0, 0]) - corner) < 20


@pytest.mark.parametrize(
    "kind, pictures, color",
    [
        ("TIFF", (RED, BLUE), (0, 0, 255)),  # a thumbnail first
        ("TIFF", (BLUE, RED), (0, 0, 255)),
        ("TIFF", (RED, RED.point(lambda x: x // 2)), (255, 0, 0)),  # of equals the first
        ("GIF", (RED, BLUE.resize(RED.size)), (255, 0, 0)),
        ("PNG", (RED, BLUE.resize(RED.size)), (255, 0, 0)),
        ("WEBP", (RED, BLUE.resize(RED.size)), (255, 0, 0)),
        ("MPO", (RED, BLUE), (254, 0, 0)),
    ],
)
def test_which_picture_of_several(kind, pictures, color):
    options = {"lossless": True} if kind == "WEBP" else {}
    first, other = pictures
    content = encoded(first, kind, save_all=True, append_images=[other], **options)
    assert tuple(images.decode(content, 8, "x")[:, 4, 4]) == color


def test_a_tiff_file_with_a_reduced_copy_only_is_refused():
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[254] = images.REDUCED
    refused(encoded(RED, "TIFF", tiffinfo=tags), "a reduced copy")


TWELVE_BITS = np.stack([TWELVE >> 4, (TWELVE & 15) << 4], -1).reshape(8, 4, 4)
PACKED = np.stack(
    [TWELVE_BITS[..., 0], TWELVE_BITS[..., 1] | TWELVE_BITS[..., 2] >> 4, TWELVE_BITS[..., 2] << 4],
    -1,
)
PACKED[..., 2] |= TWELVE_BITS[..., 3] >> 4


@pytest.mark.parametrize(
    "content, white",
    [
        (encoded(TWELVE, "PNG"), 4095),
        (encoded(TWELVE, "TIFF"), 4095),
        (encoded(TWELVE.astype(np.int32), "TIFF"), 4095),
        (encoded(SIXTEEN, "PNG"), 0),
        (encoded(SIXTEEN, "PNG"), 65535),
        (encoded(SIXTEEN, "TIFF"), 0),
        (encoded(SIXTEEN.astype(np.int32), "TIFF"), 0),
        (b"P5 8 8 4095 " + TWELVE.astype(">u2").tobytes(), 0),  # the header says it
        (tiff((PACKED & 255).astype(np.uint8).tobytes(), 12, 1), 0),  # here, too
        (colors16(SIXTEEN), 0),
    ],
)
def test_the_brightness_of_more_than_8_bits(content, white):
    made = images.decode(content, 8, "x", Reading(white_level=white))
    assert abs(made.astype(int) - EIGHT).max() <= 1


@pytest.mark.parametrize(
    "content, white, said",
    [
        (encoded(TWELVE, "PNG"), 0, "values 0 to 4095 of more than 8 bits"),
        (encoded(TWELVE, "TIFF"), 0, "set white_level to it"),
        (encoded(TWELVE.astype(np.int32) * 100, "TIFF"), 0, "values 0 to 409500"),
        (encoded(TWELVE.astype(np.int32) - 9, "TIFF"), 4095, "values -9 to"),
        (encoded(SIXTEEN, "PNG"), 4095, "but white_level is 4095"),
        (tiff(SIXTEEN.tobytes(), 16, 0), 0, "its white is 0"),
        (encoded(TWELVE.astype(np.float32), "TIFF"), 4095, "no known range"),
        (colors16(TWELVE), 0, "convert it to 8 bits"),
        (colors16(SIXTEEN), 4095, "convert it to 8 bits"),
    ],
)
def test_white_is_never_guessed(content, white, said):
    refused(content, said, reading=Reading(white_level=white))


def test_a_dark_image_is_used_where_its_white_is_said():
    for content in (encoded(TWELVE, "PNG"), colors16(TWELVE)):
        made = images.decode(content, 8, "x", Reading(white_level=65535))
        np.testing.assert_array_equal(made[0], TWELVE >> 8)
    assert not images.decode(encoded(TWELVE * 0, "PNG"), 8, "x").any()  # black at any depth


@pytest.mark.filterwarnings("error")
def test_the_limit_is_on_what_is_decoded():
    """A large JPEG file is decoded at an eighth of its size; a progressive one is held whole."""
    large = Image.new("L", (4000, 3000), 99)
    few = Reading(max_megapixels=1)
    assert (images.decode(encoded(large, "JPEG"), 32, "x", few) == 99).all()
    said = ("4000 x 3000 pixels are too many", "raise max_megapixels above 1")
    refused(encoded(large, "JPEG", progressive=True), *said, reading=few)
    refused(encoded(large, "PNG"), *said, reading=few)
    assert (images.decode(encoded(large, "PNG"), 32, "x", Reading(max_megapixels=12)) == 99).all()


def test_the_page_of_the_rules_is_that_of_the_code():
    page = (ROOT / "docs" / "images.md").read_text(encoding="utf-8").lower()
    said = [f"{name}`" for name in which_files.LITTER if name != "icon\r"]
    said += [", ".join(images.FORMATS), f"{archives.MAX_BYTES >> 20} MiB", "up to 10 with a count"]
    said += [f"at most {images.PLAIN.max_megapixels} megapixels", f"{bit_depth.UNCLEAR:,}"]
    said += [f"white is {bit_depth.DEEPEST:,}", f"`white_level: {bit_depth.DEEPEST}`"]
    assert not [text for text in said if text.lower() not in page]
    assert images.MAX_NAMED == 10 and which_files.HIDDEN == "."
    assert "carriage return" in page and which_files.is_litter("Icon\r")
    options = ("--source", "--skip-bad", "--white-level", "--max-megapixels")
    assert all(option in page for option in options)
    fields = {field.name: field.default for field in dataclasses.fields(Prepare)}
    assert [fields[name] for name in Reading._fields] == list(images.PLAIN)
