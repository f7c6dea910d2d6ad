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
    package: str = ""
    """The package that decodes it, if Pillow alone does not."""

    @property
    def installed(self) -> bool:
        """Whether its decoder is installed."""
        return not self.package or find_spec(self.package) is not None


FORMATS = {
    photo_format.pillow_name: photo_format
    for photo_format in (
        # A phone's JPEG with 108 megapixels is never decoded at full size, because libjpeg halves it while decoding.
        PhotoFormat("JPEG", "JPEG", (".jpg", ".jpeg", ".jpe", ".jfif"), 120_000_000, 4),
        PhotoFormat("PNG", "PNG", (".png",), 48_000_000, 4),
        # The decoder of WebP holds three copies of a picture.
        PhotoFormat("WEBP", "WebP", (".webp",), 20_000_000, 15),
        PhotoFormat("GIF", "GIF", (".gif",), 48_000_000, 5),
        PhotoFormat("TIFF", "TIFF", (".tif", ".tiff"), 40_000_000, 8),
        PhotoFormat("BMP", "BMP", (".bmp",), 48_000_000, 4),
        PhotoFormat("AVIF", "AVIF", (".avif",), 24_000_000, 11),
        PhotoFormat("HEIF", "HEIC", (".heic", ".heif", ".hif"), 24_000_000, 8, package="pillow_heif"),
    )
}
"""Pillow's name → format, in the order in which Pillow tries them. The other formats that Pillow knows (PostScript,
PSD, …) hold no photographs, and every decoder can be attacked."""

SUFFIXES = frozenset(suffix for photo_format in FORMATS.values() for suffix in photo_format.suffixes)
"""The file name endings of all formats, in lower case."""

HEIC_BRANDS = frozenset(
    {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"mif2", b"msf1"}
)
AVIF_BRANDS = frozenset({b"avif", b"avis"})
"""Brands in the first box of a file (ISO/IEC 23008-12 and AV1 Image File Format)."""
HEIC_ADVICE = "run: pip install 'flower-edge[heif]'"
"""How to make HEIC readable."""


def is_heic(content: bytes) -> bool:
    """Return whether a file is HEIC, from the brands in its first box. The file's name may say something else."""
    if content[4:8] != b"ftyp":
        return False
    end = min(int.from_bytes(content[:4], "big"), 256)
    # The major brand, four bytes of version, and the compatible brands.
    brands = {content[8:12], *(content[place : place + 4] for place in range(16, end - 3, 4))}
    return bool(brands & HEIC_BRANDS) and not brands & AVIF_BRANDS


def use_heic_decoder() -> None:
    """Add the decoder of HEIC to Pillow. It must be installed."""
    import pillow_heif

    pillow_heif.register_heif_opener(thumbnails=False)


def format_of(image: Image.Image) -> PhotoFormat | None:
    """Return the format of an opened image, or None if the image comes from another source than `FORMATS`."""
    # Pillow finds MPO, the JPEG of phones with further pictures after the first one, through its JPEG decoder.
    name = "JPEG" if image.format == "MPO" else image.format
    return FORMATS.get(name or "")


def format_names() -> str:
    """Return the names of the formats that can be read here, for messages: ``JPEG, PNG, … or AVIF``."""
    *names, last = (photo_format.name for photo_format in FORMATS.values() if photo_format.installed)
    return f"{', '.join(names)} or {last}"


def load_decoders() -> None:
    """Import the decoders of the common formats. Otherwise the first photo waits for this."""
    Image.preinit()
