"""From an untrusted photo to upright, eight-bit RGB.

A photo may come from anywhere, so everything about it is limited before it is believed: the size of the file, the
formats that are tried, the number of pixels. What comes out is always a Pillow image in mode ``RGB``.
"""

import io
import math
import os
import stat
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, UnidentifiedImageError

from runtime.errors import PhotoError
from runtime.jpeg import count_scans

Photo = str | os.PathLike[str] | bytes | BinaryIO | Image.Image | np.ndarray
"""What counts as a photo: a path, the bytes of a file, a file object, a Pillow image, or an array."""

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF")
"""Formats that are tried, in this order (phones' MPO is found through JPEG). Others that Pillow knows (PostScript,
PSD, …) are no photographs, and are attack surface."""

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif", ".tif", ".tiff", ".bmp", ".avif"})
"""File name endings, in lower case, that make a file in a folder count as a photo."""

MAX_BYTES = 128 * 1024**2
"""Largest file that is read, in bytes."""

MAX_PIXELS = 64_000_000
"""Largest photo that is decoded whole, in pixels. Pillow holds four bytes of each, and another four once it is RGB."""

MAX_PIXELS_OF = {"JPEG": 120_000_000, "MPO": 120_000_000, "WEBP": 40_000_000}
"""Other limits than that. A JPEG of phones' 108 megapixels is never decoded whole: libjpeg halves it on the way. The
decoder of WebP holds three copies of a picture."""

TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF orientation → what makes the photo upright."""

MAX_SCANS = 100
"""Passes over one JPEG (`runtime.jpeg`). Cameras and editors write about ten."""

TILE_TAGS = (322, 323)
"""TIFF's TileWidth and TileLength."""

SUPPORTED = "JPEG, PNG, WebP, GIF, TIFF, BMP or AVIF"


def open_photo(photo: Photo, *, least_side: int | None = None) -> Image.Image:
    """Return ``photo`` upright and in mode ``RGB``.

    Obeys the EXIF orientation; lays transparent pictures on white; takes the first frame of animated ones; scales
    16-bit grey to 8 bits; converts palette, grey and CMYK.

    Args:
        photo: a path, the bytes of an image file, a binary file object, a Pillow image, or a uint8 array of shape
            (height, width, 3) in RGB or (height, width) in grey.
        least_side: if given, a JPEG may be decoded at a reduced scale whose shorter side is still at least this many
            pixels, which is several times faster for photos from a phone.

    Raises:
        PhotoError: it is missing, damaged, too large, or not a photo.
    """
    if isinstance(photo, np.ndarray):
        return _from_array(photo)
    if isinstance(photo, Image.Image):
        _check_size(photo, "the image")
        return _upright_rgb(photo, "the image", copied=True)
    name = "the photo"
    if isinstance(photo, (str, os.PathLike)):
        name = os.fsdecode(photo)
        content = _read_file(Path(photo))
    elif isinstance(photo, bytes | bytearray | memoryview):
        content = bytes(photo)
    elif hasattr(photo, "read"):
        if _descriptor(photo) == 0:
            name = "standard input"
        content = _read_stream(photo, name)
    else:
        raise PhotoError(f"a photo is a path, bytes, a file, an image or an array, not {type(photo).__name__}")
    return _decode(content, name, least_side)


def load_decoders() -> None:
    """Import the decoders of common formats, which otherwise the first photo waits for."""
    Image.preinit()


def _descriptor(file: BinaryIO) -> int | None:
    try:
        return file.fileno()
    except (OSError, ValueError, AttributeError):
        return None


def _read_stream(file: BinaryIO, name: str) -> bytes:
    parts, left = [], MAX_BYTES + 1
    try:
        # An unbuffered file, a pipe or a socket gives what it has, which need not be all.
        while left > 0 and (part := file.read(left)):
            if not isinstance(part, bytes):
                raise PhotoError(f"{name}: open the file in binary mode")
            parts.append(part)
            left -= len(part)
    except (OSError, ValueError) as error:
        raise PhotoError(f"{name}: cannot be read ({error})") from None
    return b"".join(parts)


def _read_file(path: Path) -> bytes:
    try:
        # Opened without blocking, so that a FIFO nobody writes to is refused and not waited for.
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with os.fdopen(handle, "rb") as file:
            kind = os.fstat(file.fileno()).st_mode
            if not stat.S_ISREG(kind):
                raise PhotoError(f"{path}: not a file")
            return file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise PhotoError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise PhotoError(f"{path}: is a folder, not a photo") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise PhotoError(f"{path}: cannot be read ({reason})") from None


def _decode(content: bytes, name: str, least_side: int | None) -> Image.Image:
    if not content:
        raise PhotoError(f"{name}: the file is empty")
    if len(content) > MAX_BYTES:
        raise PhotoError(f"{name}: larger than {MAX_BYTES // 1024**2} MB; send a smaller copy")
    try:
        image = Image.open(io.BytesIO(content), formats=FORMATS)
    except UnidentifiedImageError:
        if content[4:12] in (b"ftypheic", b"ftypheix", b"ftypmif1", b"ftyphevc"):
            raise PhotoError(f"{name}: HEIC is not supported; save it as JPEG") from None
        raise PhotoError(f"{name}: not a photo; use {SUPPORTED}") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise PhotoError(f"{name}: {_too_many(max(MAX_PIXELS_OF.values()))}") from None
    # A decoder meeting forged input may raise nearly anything (SyntaxError, struct.error, ZeroDivisionError, …);
    # whatever it is, the photo is damaged.
    except Exception as error:
        raise PhotoError(f"{name}: damaged ({_reason(error)})") from None
    with image:
        jpeg = image.format in ("JPEG", "MPO")
        scans = count_scans(content, MAX_SCANS) if jpeg else 1
        _check_size(image, name, in_scans=scans > 1)
        if scans > MAX_SCANS:
            raise PhotoError(f"{name}: a JPEG of more than {MAX_SCANS} scans; save it anew")
        if image.format == "TIFF":
            _check_tiles(image, name)
        if least_side and jpeg:
            scale = least_side / min(image.size)
            image.draft(None, (math.ceil(image.width * scale), math.ceil(image.height * scale)))
        return _upright_rgb(image, name)


def _check_size(image: Image.Image, name: str, *, in_scans: bool = False) -> None:
    width, height = image.size
    # Of a JPEG in several scans, which a progressive one is, all coefficients are held until the last.
    limit = (
        MAX_PIXELS if in_scans or image.info.get("progressive") else MAX_PIXELS_OF.get(image.format or "", MAX_PIXELS)
    )
    if width * height > limit:
        raise PhotoError(f"{name}: {width} × {height} is {_too_many(limit)}")
    if not width or not height:
        raise PhotoError(f"{name}: has no pixels")


def _check_tiles(image: Image.Image, name: str) -> None:
    """A TIFF is decoded tile by tile, and one tile may be larger than the whole picture."""
    tags = getattr(image, "tag_v2", {})
    try:
        width, height = (int(tags.get(tag, 1)) for tag in TILE_TAGS)
    except (TypeError, ValueError):
        raise PhotoError(f"{name}: damaged (its tiles have no size)") from None
    if width * height > MAX_PIXELS:
        raise PhotoError(f"{name}: a tile of {width} × {height} is {_too_many(MAX_PIXELS)}")


def _too_many(limit: int) -> str:
    return f"more than {limit // 1_000_000} megapixels; send a smaller copy"


def _upright_rgb(image: Image.Image, name: str, *, copied: bool = False) -> Image.Image:
    """Load ``image`` and turn it; ``copied``: what is returned must not be the image itself."""
    try:
        image.load()
        orientation = _orientation(image)
        rgb = _to_rgb(image)
        if orientation is not None:
            return rgb.transpose(orientation)
        return rgb.copy() if copied and rgb is image else rgb
    except MemoryError:
        raise PhotoError(f"{name}: too large for this machine's memory") from None
    except Exception as error:
        raise PhotoError(f"{name}: damaged ({_reason(error)})") from None


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        return Image.fromarray(_eight_bits(image)).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        rgba = image if image.mode == "RGBA" else image.convert("RGBA")
        rgb = Image.new("RGB", rgba.size, (255, 255, 255))
        rgb.paste(rgba, mask=rgba.getchannel("A"))
        return rgb
    return image if image.mode == "RGB" else image.convert("RGB")


def _eight_bits(image: Image.Image) -> np.ndarray:
    """Grey of 16 or 32 bits as uint8, in strips: Pillow's own conversion clips at 255."""
    result = np.empty((image.height, image.width), np.uint8)
    strips = [(top, min(top + 64, image.height)) for top in range(0, image.height, 64)]

    def values(top: int, bottom: int) -> np.ndarray:
        return np.asarray(image.crop((0, top, image.width, bottom)), dtype=np.float32)

    # Sixteen-bit greys arrive as I;16 or, from some files, as I; F has no scale but its own.
    white = 65535.0 if image.mode != "F" else max(1.0, *(float(np.nanmax(values(*s), initial=1.0)) for s in strips))
    for top, bottom in strips:
        scaled = np.nan_to_num(values(top, bottom)) * (255.0 / white)
        result[top:bottom] = np.clip(scaled, 0, 255).round()
    return result


def _orientation(image: Image.Image) -> Image.Transpose | None:
    """How to turn the photo, by its EXIF (JEITA CP-3451, tag 0x0112); None: it is upright."""
    try:
        return TURNS.get(image.getexif().get(0x0112, 1))
    except Exception:  # a damaged EXIF block does not spoil the picture
        return None


def _from_array(array: np.ndarray) -> Image.Image:
    if array.dtype != np.uint8 or not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] == 3)):
        raise PhotoError(
            "an array must be uint8 of shape (height, width, 3) in RGB or (height, width) in grey, "
            f"not {array.dtype} of shape {array.shape}"
        )
    if not array.size:
        raise PhotoError("the array has no pixels")
    return Image.fromarray(np.ascontiguousarray(array)).convert("RGB")


def _reason(error: Exception) -> str:
    return str(error).strip() or type(error).__name__
