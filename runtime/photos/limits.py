"""Limits of what is decoded: a photo may come from anywhere, so its size is checked before it is believed."""

from PIL import Image

from runtime.errors import PhotoError

MAX_BYTES = 128 * 1024**2
"""Largest file that is read, in bytes."""

MAX_PIXELS = 64_000_000
"""Largest photo that is decoded at full size, in pixels. Pillow needs four bytes for each, and four more after the
conversion to RGB."""

MAX_PIXELS_OF = {"JPEG": 120_000_000, "MPO": 120_000_000, "WEBP": 40_000_000}
"""Formats with another limit. A JPEG of a phone with 108 megapixels is never decoded at full size, because libjpeg
halves it while decoding. The decoder of WebP holds three copies of a picture."""

MAX_SCANS = 100
"""Most scans of one JPEG (`runtime.photos.jpeg_scans`). Cameras and editors write about ten."""

TILE_TAGS = (322, 323)
"""TIFF's tags TileWidth and TileLength."""


def check_size(image: Image.Image, name: str, *, multiple_scans: bool = False) -> None:
    """Raise `PhotoError` if ``image`` has no pixels or too many.

    Args:
        image: opened, not yet decoded.
        name: of the photo, for the message.
        multiple_scans: whether this is a JPEG in several scans. libjpeg holds all coefficients of such a picture until
            the last scan, so it has the limit of pictures that are decoded at full size.
    """
    width, height = image.size
    if multiple_scans or image.info.get("progressive"):
        limit = MAX_PIXELS
    else:
        limit = MAX_PIXELS_OF.get(image.format or "", MAX_PIXELS)
    if width * height > limit:
        raise PhotoError(f"{name}: {width} × {height} is {too_many_pixels(limit)}")
    if not width or not height:
        raise PhotoError(f"{name}: has no pixels")


def check_tiles(image: Image.Image, name: str) -> None:
    """Raise `PhotoError` if a tile of a TIFF is too large. A tile is decoded as a whole and may exceed the picture."""
    tags = getattr(image, "tag_v2", {})
    try:
        width, height = (int(tags.get(tag, 1)) for tag in TILE_TAGS)
    except (TypeError, ValueError):
        raise PhotoError(f"{name}: damaged (its tiles have no size)") from None
    if width * height > MAX_PIXELS:
        raise PhotoError(f"{name}: a tile of {width} × {height} is {too_many_pixels(MAX_PIXELS)}")


def too_many_pixels(limit: int) -> str:
    """Return the end of the message about a photo with more than ``limit`` pixels."""
    return f"more than {limit // 1_000_000} megapixels; send a smaller copy"
