"""TODO from runtime.photos.open_photo."""

from PIL import Image

from runtime.errors import PhotoError

MAX_BYTES = 128 * 1024**2
"""Largest file that is read, in bytes."""


MAX_PIXELS = 64_000_000
"""Largest photo that is decoded whole, in pixels. Pillow holds four bytes of each, and another four once it is RGB."""


MAX_PIXELS_OF = {"JPEG": 120_000_000, "MPO": 120_000_000, "WEBP": 40_000_000}
"""Other limits than that. A JPEG of phones' 108 megapixels is never decoded whole: libjpeg halves it on the way. The
decoder of WebP holds three copies of a picture."""


MAX_SCANS = 100
"""Passes over one JPEG (`runtime.photos.jpeg_scans`). Cameras and editors write about ten."""


TILE_TAGS = (322, 323)
"""TIFF's TileWidth and TileLength."""


def check_size(image: Image.Image, name: str, *, in_scans: bool = False) -> None:
    width, height = image.size
    # Of a JPEG in several scans, which a progressive one is, all coefficients are held until the last.
    limit = (
        MAX_PIXELS if in_scans or image.info.get("progressive") else MAX_PIXELS_OF.get(image.format or "", MAX_PIXELS)
    )
    if width * height > limit:
        raise PhotoError(f"{name}: {width} × {height} is {too_many_pixels(limit)}")
    if not width or not height:
        raise PhotoError(f"{name}: has no pixels")


def check_tiles(image: Image.Image, name: str) -> None:
    """A TIFF is decoded tile by tile, and one tile may be larger than the whole picture."""
    tags = getattr(image, "tag_v2", {})
    try:
        width, height = (int(tags.get(tag, 1)) for tag in TILE_TAGS)
    except (TypeError, ValueError):
        raise PhotoError(f"{name}: damaged (its tiles have no size)") from None
    if width * height > MAX_PIXELS:
        raise PhotoError(f"{name}: a tile of {width} × {height} is {too_many_pixels(MAX_PIXELS)}")


def too_many_pixels(limit: int) -> str:
    return f"more than {limit // 1_000_000} megapixels; send a smaller copy"
