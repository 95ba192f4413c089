"""Small pictures of the published figures, which keep the page of all of them light."""

import hashlib
import io
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from simclr.files import write_atomic

WIDTH = 480  # pixels, two for each of CSS
COLORS = 64
OF = "made from"  # in the thumbnail: the SHA-256 of the figure


def write(figure: Path, path: Path) -> bool:
    """Write the thumbnail of a PNG, unless it is that already. Returns whether it was written."""
    content = figure.read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    if path.is_file() and _made_from(path) == sha256:
        return False
    with Image.open(io.BytesIO(content)) as image:
        size = WIDTH, round(image.height * WIDTH / image.width)
        small = image.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    info, out = PngInfo(), io.BytesIO()
    info.add_text(OF, sha256)
    small.quantize(COLORS, dither=Image.Dither.NONE).save(out, "PNG", optimize=True, pnginfo=info)
    return write_atomic(path, out.getvalue())


def _made_from(path: Path) -> str:
    with Image.open(path) as image:
        return image.info.get(OF, "")
