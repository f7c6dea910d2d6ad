"""How many parts a photo file has. A decoder written in Python reads millions of empty parts for minutes."""

from collections.abc import Callable, Iterator
from itertools import takewhile

from runtime.photos.structure.gif_blocks import MAX_BLOCKS, PICTURE, find_blocks
from runtime.photos.structure.jpeg_markers import MAX_MARKERS, segments_before_scan
from runtime.photos.structure.jpeg_markers import START as JPEG_START
from runtime.photos.structure.png_chunks import MAX_CHUNKS, find_chunks
from runtime.photos.structure.png_chunks import SIGNATURE as PNG_SIGNATURE


def has_too_many_parts(content: bytes) -> bool:
    """Return whether a JPEG, PNG or GIF has more parts than any picture has.

    Those of a JPEG are counted up to the first scan, those of a GIF up to the first picture: a decoder reads no others
    one by one.

    Args:
        content: the bytes of a file, which may be of any format.
    """
    for signature, find_parts, limit in _PARTS:
        if content.startswith(signature):
            return sum(1 for _ in find_parts(content)) >= limit
    return False


def _blocks(content: bytes) -> Iterator[object]:
    return takewhile(lambda introducer: introducer != PICTURE, find_blocks(content))


_PARTS: tuple[tuple[bytes, Callable[[bytes], Iterator[object]], int], ...] = (
    (JPEG_START, segments_before_scan, MAX_MARKERS),
    (PNG_SIGNATURE, find_chunks, MAX_CHUNKS),
    (b"GIF8", _blocks, MAX_BLOCKS),
)
"""The first bytes of a format, the function that yields the parts of a file of it, and how many it yields at most."""
