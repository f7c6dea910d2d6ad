"""Limits of a photo. A photo may come from anywhere, so its size is checked before it is decoded.

Formats with a limit of their own have it in `runtime.photos.formats`.
"""

from PIL import Image

from runtime.errors import PhotoError
from runtime.photos.formats import FORMATS, format_of
from runtime.photos.structure.jpeg_markers import count_scans

MAX_BYTES = 64 * 1024**2
"""Largest file that is read, in bytes."""

MAX_PIXELS = 48_000_000
"""Largest photo that is decoded at full size, in pixels, if its format has no limit of its own."""

MAX_SCANS = 100
"""Most scans of one JPEG (`runtime.photos.structure.jpeg_markers`). Cameras and editors write about ten."""

TILE_TAGS = (322, 323)
"""TIFF's tags TileWidth and TileLength."""


def check_file(image: Image.Image, content: bytes, name: str) -> None:
    """Check the limits of a photo that comes from the bytes of a file.

    Args:
        image: opened from ``content``, not yet decoded.
        content: the bytes of the file.
        name: of the photo, for messages.

    Raises:
        PhotoError: the photo has no pixels, too many pixels, a tile that is too large, or too many scans.
    """
    photo_format = format_of(image)
    if photo_format is FORMATS["JPEG"]:
        scans = count_scans(content, MAX_SCANS)
        check_size(image, name, multiple_scans=scans > 1)
        if scans > MAX_SCANS:
            raise PhotoError(f"{name}: a JPEG of more than {MAX_SCANS} scans; save it again")
        return
    check_size(image, name)
    if photo_format is FORMATS["TIFF"]:
        _check_tiles(image, name)


def check_size(image: Image.Image, name: str, *, multiple_scans: bool = False) -> None:
    """Check the number of pixels of an image that is not yet decoded.

    Args:
        image: opened by Pillow.
        name: of the photo, for messages.
        multiple_scans: whether this is a JPEG in several scans. libjpeg holds all coefficients of such a picture until
            the last scan, so it has the limit of pictures that are decoded at full size.

    Raises:
        PhotoError: ``image`` has no pixels or too many.
    """
    width, height = image.size
    photo_format = format_of(image)
    limit = photo_format.max_pixels if photo_format else MAX_PIXELS
    if photo_format and photo_format.max_pixels_with_opacity and image.mode.endswith("A"):
        limit = photo_format.max_pixels_with_opacity
    if multiple_scans or image.info.get("progressive"):
        limit = min(limit, MAX_PIXELS)
    if width * height > limit:
        raise PhotoError(f"{name}: {width} × {height} is {_too_many_pixels(limit)}")
    if not width or not height:
        raise PhotoError(f"{name}: has no pixels")


def decompression_bomb_error(name: str) -> PhotoError:
    """Return the error for a photo that Pillow refuses to open because it has too many pixels for any format."""
    largest = max(photo_format.max_pixels for photo_format in FORMATS.values())
    return PhotoError(f"{name}: {_too_many_pixels(largest)}")


def _check_tiles(image: Image.Image, name: str) -> None:
    """Raise `PhotoError` if a tile of a TIFF is too large. A tile is decoded as a whole and may exceed the picture."""
    tags = getattr(image, "tag_v2", {})
    try:
        width, height = (int(tags.get(tag, 1)) for tag in TILE_TAGS)
    except (TypeError, ValueError):
        raise PhotoError(f"{name}: damaged (its tiles have no size)") from None
    if width * height > MAX_PIXELS:
        raise PhotoError(f"{name}: a tile of {width} × {height} is {_too_many_pixels(MAX_PIXELS)}")


def _too_many_pixels(limit: int) -> str:
    return f"more than {limit // 1_000_000} megapixels; send a smaller copy"
