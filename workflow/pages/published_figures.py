"""What the pages read of the published figures: which there are, their titles and image sizes."""

import re
import struct
from dataclasses import dataclass
from pathlib import Path

from workflow import catalog
from workflow.pages import ledger


@dataclass(frozen=True)
class Figure:
    """An experiment's figure or table."""

    name: str  # of the experiment
    number: str  # "Figure 8"
    title: str

    @property
    def description(self) -> str:
        """What to read in place of the image."""
        return f"{self.number}, this replication beside the paper: {self.title}"


@dataclass(frozen=True)
class Image:
    address: str  # as the page links it
    size: tuple[int, int] | None  # width and height, which keep its place before it is loaded


@dataclass(frozen=True)
class Link:
    """A link in the bar at the top of each page."""

    address: str
    words: str
    is_here: bool = False  # the page itself
    keeps_place: bool = False  # leads to the same figure at another scale


def figure(name: str) -> Figure:
    """Return the figure of an experiment."""
    return Figure(name, *catalog.title(name))


def names_in(folder: Path) -> list[str]:
    """Return the experiments whose figures are in the folder, in the paper's order."""
    names = [name for name in catalog.ORDER if (folder / f"{name}.svg").is_file()]
    return sorted(names, key=catalog.paper_order)


def image(folder: Path, address: str) -> Image:
    """Return the image at an address relative to the folder of the page."""
    return Image(address, image_size(folder / address))


def image_size(path: Path) -> tuple[int, int] | None:
    """Return width and height of a PNG (pixels) or SVG (points); None where an SVG has none."""
    start = path.read_bytes()[:1000]
    if start.startswith(b"\x89PNG"):
        return struct.unpack(">II", start[16:24])
    width = re.search(rb'<svg[^>]*? width="([\d.]+)pt"', start)
    height = re.search(rb'<svg[^>]*? height="([\d.]+)pt"', start)
    return (round(float(width[1])), round(float(height[1]))) if width and height else None


def top_bar(root: Path, here: str | None = None) -> list[Link]:
    """Return the links to the page over all scales and to each scale.

    here: the scale of the page, None for the page over all scales, which is in the folder `root`.
    """
    up = "../" if here else ""
    scales = ledger.published(root)
    if here and here not in scales:
        scales.append(here)
    links = [Link(f"{up}index.html", "All scales", is_here=here is None)]
    for scale in scales:
        address = f"{up}{scale}/index.html"
        if scale == here:
            links.append(Link(f"{address}#", scale, is_here=True))
        else:
            links.append(Link(address, scale, keeps_place=True))
    return links
