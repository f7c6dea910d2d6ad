"""Photos that are accepted and as large as the limits allow, in the forms that need most memory.

Usage: python -m benchmarks.fuzzing.largest_photos NAME writes one to standard output.
"""

import io
import sys
from collections.abc import Callable

import numpy as np
from PIL import Image

from runtime.photos.formats import FORMATS, HAS_HEIC, HEIC
from runtime.photos.limits import MAX_BYTES, MAX_PIXELS


def _encoded(form: str, channels: int, side: int, **options: object) -> bytes:
    """Return a turned picture of ``side`` × ``side`` pixels, of which a quarter is half transparent."""
    pixels = np.empty((side, side, channels), np.uint8)
    pixels[...] = (np.arange(side) % 251).astype(np.uint8)[:, None]
    if channels == 4:
        pixels[..., 3] = 255
        pixels[: side // 2, : side // 2, 3] = 128
    exif = Image.Exif()
    exif[0x0112] = 6
    image = Image.fromarray(pixels if channels != 1 else pixels[..., 0])
    if form == "GIF":
        image = image.convert("P")
    file = io.BytesIO()
    image.save(file, form, exif=exif.tobytes(), **options)
    return file.getvalue()


def _side(form: str, most: int | None = None) -> int:
    return int(min(FORMATS[form].max_pixels, most or FORMATS[form].max_pixels) ** 0.5)


def _heic(mode: str, most: int | None) -> bytes:
    import pillow_heif

    side = _side("HEIF", most)
    file = io.BytesIO()
    pillow_heif.from_pillow(Image.new(mode, (side, side), (200, 100, 50, 128)[: len(mode)])).save(file, quality=30)
    return file.getvalue()


LARGEST_PHOTOS: dict[str, Callable[[], bytes]] = {
    "JPEG": lambda: _encoded("JPEG", 3, _side("JPEG"), quality=70),
    "JPEG, progressive": lambda: _encoded(
        "JPEG", 3, _side("JPEG", MAX_PIXELS), quality=90, progressive=True, subsampling=0
    ),
    "PNG with opacity": lambda: _encoded("PNG", 4, _side("PNG"), compress_level=1),
    "PNG in grey": lambda: _encoded("PNG", 1, _side("PNG"), compress_level=1),
    "WebP with opacity": lambda: _encoded("WEBP", 4, _side("WEBP"), method=0, quality=50),
    "WebP, lossless": lambda: _encoded("WEBP", 4, _side("WEBP"), method=0, lossless=True),
    "GIF": lambda: _encoded("GIF", 1, _side("GIF"), transparency=3),
    "TIFF in one strip": lambda: _encoded("TIFF", 4, _side("TIFF"), compression="tiff_deflate", tiffinfo={278: 10**9}),
    "TIFF without compression": lambda: _encoded("TIFF", 3, _side("TIFF", (MAX_BYTES - 10_000) // 3)),
    "BMP": lambda: _encoded("BMP", 3, _side("BMP", (MAX_BYTES - 100_000) // 3)),
    "AVIF with opacity": lambda: _encoded("AVIF", 4, _side("AVIF"), speed=10, quality=40),
    **({"HEIC": lambda: _heic("RGB", None),
        "HEIC with opacity": lambda: _heic("RGBA", HEIC.max_pixels_with_opacity)} if HAS_HEIC else {}),
}  # fmt: skip
"""Description → function that returns the content of the file."""

if __name__ == "__main__":
    sys.stdout.buffer.write(LARGEST_PHOTOS[sys.argv[1]]())
