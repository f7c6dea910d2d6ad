"""EXIF blocks (JEITA CP-3451): a TIFF without a picture. Pillow before version 13 copies the values of all its tags."""

from runtime.photos.structure.jpeg_markers import segments_before_scan
from runtime.photos.structure.tiff_directory import SIGNATURES, has_modest_directory

HEAD = b"Exif\0\0"
MAX_BYTES = 4 * 1024**2
"""Largest block that is read. Cameras write at most 64 KB, and Pillow joins many segments slowly."""
APPLICATION_1 = 0xE1
"""The marker of a segment with EXIF or XMP."""


def is_modest(block: bytes) -> bool:
    """Return whether the tags of an EXIF block hold no more bytes than the block, and are not too many."""
    tiff = block.removeprefix(HEAD)
    if len(tiff) > MAX_BYTES:
        return False
    return tiff[:4] not in SIGNATURES or has_modest_directory(tiff)


def exif_of_jpeg(content: bytes) -> bytes:
    """Return the EXIF block of a JPEG file, which may be in several segments; empty without one."""
    return b"".join(
        content[start + len(HEAD) : end]
        for marker, start, end in segments_before_scan(content)
        if marker == APPLICATION_1 and content.startswith(HEAD, start, end)
    )
