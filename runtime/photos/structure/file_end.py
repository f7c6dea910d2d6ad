"""Whether a file ends before the picture in it does, as a file does that is still being written."""

import struct
from collections.abc import Callable

from runtime.photos.structure.gif_blocks import TRAILER, find_blocks
from runtime.photos.structure.jpeg_markers import START as JPEG_START
from runtime.photos.structure.jpeg_markers import has_end
from runtime.photos.structure.only_pixels import TIFF_TAGS
from runtime.photos.structure.png_chunks import SIGNATURE as PNG_SIGNATURE
from runtime.photos.structure.png_chunks import find_chunks
from runtime.photos.structure.tiff_directory import INTEGERS, MAX_NUMBERS, Directory
from runtime.photos.structure.tiff_directory import SIGNATURES as TIFF_SIGNATURES

ZEROS = bytes(512)
"""Some programs reserve the space of a file first. What is not yet written reads as zeros."""

MAX_BOXES = 10_000
"""Most boxes of a HEIF or AVIF file that are read. A picture has about five."""


def ends_early(content: bytes) -> bool:
    """Return whether the bytes of a photo that cannot be decoded end before its format says.

    Args:
        content: the bytes of a file, which may be of any format.

    Returns:
        False if the format is unknown, or does not tell where a file ends.
    """
    if content.endswith(ZEROS):
        return True
    for place, signature, is_early in _RULES:
        found = content[place : place + len(signature)]
        if signature.startswith(found) and (found or content[:3] == bytes(min(3, len(content)))):
            return len(found) < len(signature) or is_early(content)
    return False


def _png_ends_early(content: bytes) -> bool:
    return all(chunk.kind != b"IEND" for chunk in find_chunks(content))


def _riff_ends_early(content: bytes) -> bool:
    return len(content) < 8 + int.from_bytes(content[4:8], "little")


def _bmp_ends_early(content: bytes) -> bool:
    return len(content) < max(26, int.from_bytes(content[2:6], "little"))  # 26: the smallest headers


def _gif_ends_early(content: bytes) -> bool:
    return TRAILER not in find_blocks(content)


def _tiff_ends_early(content: bytes) -> bool:
    """Look at the first directory, the values of the tags that pixels need, and the strips or tiles that it lists."""
    extents: dict[int, tuple[int, ...]] = {}
    try:
        directory = Directory(content)
        for entry in directory.entries():
            if entry.tag in TIFF_TAGS and entry.place + entry.size > len(content):
                return True
            if entry.tag in _TIFF_EXTENTS and entry.kind in INTEGERS and entry.count <= MAX_NUMBERS:
                extents[entry.tag] = directory.integers(entry)
    except struct.error:
        return True
    pairs = ((extents.get(start, ()), extents.get(length, ())) for start, length in ((273, 279), (324, 325)))
    ends = (start + length for pair in pairs for start, length in zip(*pair, strict=False))
    return max([directory.end, *ends]) > len(content)


def _boxes_end_early(content: bytes) -> bool:
    """Look at the boxes of a HEIF or AVIF file (ISO/IEC 14496-12), of which ``mdat`` holds the pixels."""
    position, has_pixels = 0, False
    for _ in range(MAX_BOXES):
        if position + 8 > len(content):
            return position != len(content) or not has_pixels
        length = int.from_bytes(content[position : position + 4], "big")
        has_pixels = has_pixels or content[position + 4 : position + 8] == b"mdat"
        if length == 1:  # the length follows in eight bytes
            length = int.from_bytes(content[position + 8 : position + 16], "big")
        elif length == 0:  # up to the end of the file
            length = len(content) - position
        position += max(8, length)
    return False  # more boxes than any picture has


_TIFF_EXTENTS = frozenset({273, 279, 324, 325})
"""StripOffsets, StripByteCounts, TileOffsets, TileByteCounts."""

_RULES: tuple[tuple[int, bytes, Callable[[bytes], bool]], ...] = (
    (0, JPEG_START, lambda content: not has_end(content)),
    (0, PNG_SIGNATURE, _png_ends_early),
    (0, b"RIFF", _riff_ends_early),
    (0, b"GIF8", _gif_ends_early),
    (0, b"BM", _bmp_ends_early),
    *((0, signature, _tiff_ends_early) for signature in TIFF_SIGNATURES),
    (4, b"ftyp", _boxes_end_early),
)
"""Where each format has its signature, the signature, and the function that tells whether a file ends early. A file
that is cut within its signature matches, too."""
