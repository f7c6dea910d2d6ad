"""Damage that a decoder does not notice, or only after it took much memory."""

from collections.abc import Callable

from runtime.photos.structure.exif_block import exif_of_jpeg, is_modest
from runtime.photos.structure.jpeg_markers import START as JPEG_START
from runtime.photos.structure.png_chunks import SIGNATURE as PNG_SIGNATURE
from runtime.photos.structure.png_chunks import has_intact_pixels
from runtime.photos.structure.tiff_directory import SIGNATURES as TIFF_SIGNATURES
from runtime.photos.structure.tiff_directory import has_modest_directory


def hidden_damage(content: bytes) -> str | None:
    """Return what is damaged in a photo, for a message; None if nothing is, or the format is another one.

    Args:
        content: the bytes of a file, which may be of any format.
    """
    for signatures, is_sound, damage in _RULES:
        if content.startswith(signatures):
            return None if is_sound(content) else damage
    return None


def _has_modest_exif(content: bytes) -> bool:
    return is_modest(exif_of_jpeg(content))


_RULES: tuple[tuple[tuple[bytes, ...], Callable[[bytes], bool], str], ...] = (
    ((JPEG_START,), _has_modest_exif, "the tags of its EXIF block hold more than the block"),
    ((PNG_SIGNATURE,), has_intact_pixels, "the checksum of its pixels is wrong"),
    (tuple(TIFF_SIGNATURES), has_modest_directory, "the tags of this TIFF hold more than the file"),
)
"""The first bytes of a format, the function that tells whether a file of it is sound, and what is damaged otherwise."""
