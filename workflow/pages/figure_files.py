"""The published figures in a folder, and the sizes of images."""

import re
import struct
from dataclasses import dataclass
from pathlib import Path

from workflow import catalog


@dataclass(frozen=True)
class Image:
    address: str  # as the page links it
    size: tuple[int, int] | None  # width and height, which keep its place before it is loaded


def names_in(folder: Path) -> list[str]:
    """Return the experiments whose figures are in the folder, in the paper's order."""
    names = [name for name in catalog.names() if (folder / f"{name}.svg").is_file()]
    return sorted(names, key=catalog.paper_order)


def image(folder: Path, address: str) -> Image:
    """Return the image at an address relative to the folder of the page."""
    return Image(address, image_size(folder / address))


def of_figure(folder: Path, name: str) -> Image:
    """Return the image of a figure: the SVG, or where it is far heavier (photographs), the PNG."""
    svg, png = folder / f"{name}.svg", folder / f"{name}.png"
    is_heavy = svg.stat().st_size > 1.5 * png.stat().st_size
    return Image((png if is_heavy else svg).name, image_size(svg))


def image_size(path: Path) -> tuple[int, int] | None:
    """Return width and height of a PNG (pixels) or SVG (points); None where an SVG has none."""
    start = path.read_bytes()[:1000]
    if start.startswith(b"\x89PNG"):
        return struct.unpack(">II", start[16:24])
    width = re.search(rb'<svg[^>]*? width="([\d.]+)pt"', start)
    height = re.search(rb'<svg[^>]*? height="([\d.]+)pt"', start)
    return (round(float(width[1])), round(float(height[1]))) if width and height else None
