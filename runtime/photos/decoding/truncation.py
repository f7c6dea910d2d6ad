"""Files whose end is missing: telling them from damaged ones, and decoding a JPEG that lacks only its end marker."""

import io
import struct
from collections.abc import Callable

from PIL import Image, ImageChops

from runtime.photos.decoding.jpeg_scans import count_scans

END_OF_IMAGE = b"\xff\xd9"
FILLERS = (b"", b"\x55" * 64, b"\xaa" * 64)
"""What is put in the place of missing data of a scan. None contains a marker."""
BOX_HEADER = 8
"""Bytes of the size and the type of a box (ISO/IEC 14496-12)."""


def ends_early(content: bytes) -> bool:
    """Return whether a file says that it is longer than it is. Of the other formats, Pillow says so itself."""
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return int.from_bytes(content[4:8], "little") + BOX_HEADER > len(content)
    if content[4:8] == b"ftyp":
        return _boxes_end_early(content)
    if content[:4] in (b"II*\0", b"MM\0*") and len(content) >= 8:
        # Many programs write the directory at the end of the file.
        return int.from_bytes(content[4:8], "little" if content[:2] == b"II" else "big") + 2 > len(content)
    return False


def _boxes_end_early(content: bytes) -> bool:
    position = 0
    while position + BOX_HEADER <= len(content):
        (size,) = struct.unpack_from(">I", content, position)
        if size == 1 and position + 16 <= len(content):  # the size follows in 8 bytes
            (size,) = struct.unpack_from(">Q", content, position + BOX_HEADER)
        if size < BOX_HEADER:  # 0: up to the end of the file
            return False
        position += size
    return position > len(content)


def decode_without_end_marker(content: bytes, decode: Callable[[Image.Image], Image.Image]) -> Image.Image | None:
    """Decode a JPEG that lacks its end marker, if every pixel is there; return None otherwise.

    libjpeg replaces missing data without an error. So the file is decoded with several fillers at its end: if no pixel
    depends on the filler, no pixel is missing. A JPEG in several scans may lack a whole scan, which this does not show;
    such a file counts as incomplete.

    Args:
        content: of the file, which Pillow found truncated.
        decode: the opened image → the decoded image; it is called once for each filler.
    """
    if count_scans(content, 1) != 1:
        return None
    # The first byte of the marker may be there.
    content = content.rstrip(b"\xff")
    pictures = []
    for filler in FILLERS:
        with Image.open(io.BytesIO(content + filler + END_OF_IMAGE), formats=("JPEG",)) as image:
            if image.info.get("progressive"):
                return None
            pictures.append(decode(image))
    first, *others = pictures
    return first if all(ImageChops.difference(first, other).getbbox() is None for other in others) else None
