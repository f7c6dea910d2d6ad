"""Decoding a JPEG that lacks only its end marker."""

import io
from collections.abc import Callable

from PIL import Image, ImageChops

from runtime.photos.structure.jpeg_markers import count_scans

END_MARKER = b"\xff\xd9"
FILLERS = (b"", b"\x55" * 64, b"\xaa" * 64)
"""What is put in the place of missing data of a scan. None contains a marker."""


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
        with Image.open(io.BytesIO(content + filler + END_MARKER), formats=("JPEG",)) as image:
            if image.info.get("progressive"):
                return None
            pictures.append(decode(image))
    first, *others = pictures
    return first if all(ImageChops.difference(first, other).getbbox() is None for other in others) else None
