"""The photo formats that are read: their names, file suffixes and limits of pixels.

To add a format, add a `PhotoFormat` to `FORMATS`. The decoder, the search in folders, the limits and the messages
follow from this table.
"""

from dataclasses import dataclass
from importlib.util import find_spec

from PIL import Image


@dataclass(frozen=True)
class PhotoFormat:
    """One file format that a photo may have."""

    pillow_name: str
    """Pillow's name of the format."""
    name: str
    """The name in messages."""
    suffixes: tuple[str, ...]
    """The file name endings, in lower case, that make a file in a folder a photo."""
    max_pixels: int
    """Largest photo that is decoded, in pixels."""
    bytes_per_pixel: int
    """Memory for decoding, without the file itself. ``python -m benchmarks runtime --only limits`` measures it."""
    max_pixels_with_opacity: int | None = None
    """A smaller limit for pictures with opacity, whose decoder holds a fourth of the memory more."""


HEIC = PhotoFormat("HEIF", "HEIC", (".heic", ".heif", ".hif"), 49_000_000, 8, 32_000_000)
"""The format of phones, which needs another package."""
HEIC_PACKAGE = "pillow-heif"
"""The package that reads HEIC, as pip knows it."""
HAS_HEIC = find_spec("pillow_heif") is not None
"""Whether that package is installed."""

FORMATS = {
    photo_format.pillow_name: photo_format
    for photo_format in (
        # A phone's JPEG with 108 megapixels is never decoded at full size, because libjpeg halves it while decoding.
        PhotoFormat("JPEG", "JPEG", (".jpg", ".jpeg", ".jpe", ".jfif"), 120_000_000, 4),
        PhotoFormat("PNG", "PNG", (".png", ".apng"), 48_000_000, 5),
        # The decoder of WebP holds three copies of a picture.
        PhotoFormat("WEBP", "WebP", (".webp",), 20_000_000, 15),
        PhotoFormat("GIF", "GIF", (".gif",), 48_000_000, 5),
        PhotoFormat("TIFF", "TIFF", (".tif", ".tiff"), 40_000_000, 8),
        PhotoFormat("BMP", "BMP", (".bmp",), 48_000_000, 5),
        PhotoFormat("AVIF", "AVIF", (".avif",), 24_000_000, 11),
        *((HEIC,) if HAS_HEIC else ()),
    )
}
"""Pillow's name → format, in the order in which Pillow tries them, of all formats that can be read here. The other
formats that Pillow knows (PostScript, PSD, …) hold no photographs, and every decoder can be attacked."""

SUFFIXES = frozenset(suffix for photo_format in FORMATS.values() for suffix in photo_format.suffixes)
"""The file name endings of all formats, in lower case."""


def format_of(image: Image.Image) -> PhotoFormat | None:
    """Return the format of an opened image, or None if the image comes from another source than `FORMATS`."""
    # Pillow finds MPO, the JPEG of phones with further pictures after the first one, through its JPEG decoder.
    name = "JPEG" if image.format == "MPO" else image.format
    return FORMATS.get(name or "")


def format_names() -> str:
    """Return the names of all formats, for messages: ``JPEG, PNG, … or AVIF``."""
    *names, last = (photo_format.name for photo_format in FORMATS.values())
    return f"{', '.join(names)} or {last}"


def load_decoders() -> None:
    """Import the decoders of the common formats. Otherwise the first photo waits for this."""
    Image.preinit()


def load_all_decoders() -> None:
    """Import all decoders, for a process that runs for long. One that cannot be loaded later stays missing for good."""
    Image.init()
    if HAS_HEIC:
        import pillow_heif  # noqa: F401
