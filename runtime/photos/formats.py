"""TODO from runtime.photos.open_photo."""

from PIL import Image

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF")
"""Formats that are tried, in this order (phones' MPO is found through JPEG). Others that Pillow knows (PostScript,
PSD, …) are no photographs, and are attack surface."""


SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif", ".tif", ".tiff", ".bmp", ".avif"})
"""File name endings, in lower case, that make a file in a folder count as a photo."""


SUPPORTED = "JPEG, PNG, WebP, GIF, TIFF, BMP or AVIF"


def load_decoders() -> None:
    """Import the decoders of common formats, which otherwise the first photo waits for."""
    Image.preinit()
