"""A JPEG that lacks its end marker: whether every pixel is there, nevertheless.

libjpeg does not say where the data ended: it fills what is missing with grey. So the picture is decoded with several
different ends. What follows the data of a complete picture changes no pixel. If pixels are missing, it becomes pixels.
"""

from collections.abc import Callable
from functools import cache

from PIL import Image

from runtime.errors import DamagedPhotoError
from runtime.photos.structure.jpeg_markers import END, RESTARTS, has_all_scans, last_restart

FEWEST_ZEROS = 16
"""So many zeros at the end of a file are no data of a JPEG, but space that was never written."""
STRIP_ROWS = 64
"""Rows that are compared at a time."""


def decode_without_end(content: bytes, decode: Callable[[bytes], Image.Image]) -> Image.Image | None:
    """Return the picture of a JPEG that lacks its end marker; None if pixels are missing.

    Args:
        content: the bytes of the file.
        decode: returns the picture of a complete JPEG.
    """
    data = content.rstrip(b"\0")
    if len(content) - len(data) < FEWEST_ZEROS:
        data = content.rstrip(b"\xff")  # half of the marker
    elif data.endswith(b"\xff"):
        data += b"\0"  # in the data, FF is followed by 00
    if not has_all_scans(data):
        return None
    restart = last_restart(data)
    try:
        others = {_digest(decode(data + _other_end(noise, restart))) for noise in _noises()}
        image = decode(data + END)
    except DamagedPhotoError:
        return None
    return image if others == {_digest(image)} else None


@cache
def _noises() -> tuple[bytes, ...]:
    """Return data without markers. One of them alone can by chance become what libjpeg puts for missing pixels."""
    import random  # here, because few photos need it, and importing it takes as long as decoding one

    return tuple(
        first + random.Random(0).randbytes(63).replace(b"\xff", b"\xfe") for first in (b"\xfe", b"\x5a", b"\x93")
    )


def _other_end(noise: bytes, restart: int | None) -> bytes:
    """Return an end of a JPEG with noise before it, also after each restart marker, the next one first."""
    following = 0 if restart is None else restart - RESTARTS[0] + 1
    markers = (bytes([0xFF, RESTARTS[(following + number) % len(RESTARTS)]]) for number in range(len(RESTARTS)))
    return noise + b"".join(marker + noise for marker in markers) + END


def _digest(image: Image.Image) -> bytes:
    """Return a digest of all pixels."""
    import hashlib  # here for the same reason as above

    digest = hashlib.sha256()
    for top in range(0, image.height, STRIP_ROWS):
        digest.update(image.crop((0, top, image.width, min(top + STRIP_ROWS, image.height))).tobytes())
    return digest.digest()
