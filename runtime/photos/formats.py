"""The photo formats that are read. To add a format, add it here; its limit of pixels is in `runtime.photos.limits`."""

from PIL import Image

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF")
"""Pillow's names of the formats that are tried, in this order. Pillow finds phones' MPO through JPEG. The other
formats that Pillow knows (PostScript, PSD, …) hold no photographs, and every decoder can be attacked."""

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif", ".tif", ".tiff", ".bmp", ".avif"})
"""File name endings, in lower case, that make a file in a folder a photo."""

FORMAT_NAMES = "JPEG, PNG, WebP, GIF, TIFF, BMP or AVIF"
"""The formats, for messages."""


def load_decoders() -> None:
    """Import the decoders of the common formats. Otherwise the first photo waits for this."""
    Image.preinit()
