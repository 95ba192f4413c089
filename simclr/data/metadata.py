"""An image file without what is no part of its picture: where only that is damaged, it is used."""

import zlib

PNG = b"\x89PNG\r\n\x1a\n"
PNG_PICTURE = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")  # of an animation, its still picture
JPEG = b"\xff\xd8"
JPEG_PICTURE = (0xE0, 0xEE)  # JFIF, and how Adobe stores colors; of the segments E0 to EF and FE
START_OF_SCAN = 0xDA


def versions(encoded: bytes):
    """Yield an image file as it is; then, of PNG and JPEG, without its metadata.

    The first of these has its EXIF data, which say how the camera was held, the second has none.
    """
    yield encoded
    for has_exif in (True, False):
        if encoded.startswith(PNG):
            yield PNG + b"".join(_png_chunks(encoded, has_exif))
        elif encoded.startswith(JPEG):
            yield JPEG + b"".join(_jpeg_segments(encoded, has_exif))


def _png_chunks(encoded: bytes, has_exif: bool):
    start = len(PNG)
    while start < len(encoded):
        end = start + 12 + int.from_bytes(encoded[start : start + 4], "big")
        kind = encoded[start + 4 : start + 8]
        is_sound = encoded[end - 4 : end] == zlib.crc32(encoded[start + 4 : end - 4]).to_bytes(4)
        if kind in PNG_PICTURE or (kind == b"eXIf" and has_exif and is_sound):
            yield encoded[start:end]
        start = end


def _jpeg_segments(encoded: bytes, has_exif: bool):
    start = len(JPEG)
    while encoded[start : start + 1] == b"\xff" and start + 4 <= len(encoded):
        kind = encoded[start + 1]
        if kind == START_OF_SCAN:
            break
        end = start + 2 + int.from_bytes(encoded[start + 2 : start + 4], "big")
        is_exif = encoded[start + 4 : start + 10] == b"Exif\0\0"
        is_picture = kind in JPEG_PICTURE or not (0xE0 <= kind <= 0xEF or kind == 0xFE)
        if is_picture or (is_exif and has_exif):
            yield encoded[start:end]
        start = end
    yield encoded[start:]  # the picture
