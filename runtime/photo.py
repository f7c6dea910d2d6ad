"""From an untrusted photo to upright, eight-bit RGB.

A photo may come from anywhere, so everything about it is limited before it is believed: the size of the file, the
formats that are tried, the number of pixels. What comes out is always a Pillow image in mode ``RGB``.
"""

import io
import math
import os
import stat
import warnings
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from runtime.errors import PhotoError

Photo = str | os.PathLike[str] | bytes | BinaryIO | Image.Image | np.ndarray
"""What counts as a photo: a path, the bytes of a file, a file object, a Pillow image, or an array."""

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF")
"""Formats that are tried, in this order (phones' MPO is found through JPEG). Others that Pillow knows (PostScript,
PSD, …) are no photographs, and are attack surface."""

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif", ".tif", ".tiff", ".bmp", ".avif"})
"""File name endings, in lower case, that make a file in a folder count as a photo."""

MAX_BYTES = 128 * 1024**2
"""Largest file that is read, in bytes."""

MAX_PIXELS = 120_000_000
"""Largest photo that is decoded, in pixels: above today's 108-megapixel phones; 360 MB once it is RGB."""

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
        return _upright_rgb(photo, "the image")
    name = "the photo"
    if isinstance(photo, (str, os.PathLike)):
        name = os.fsdecode(photo)
        content = _read_file(Path(photo))
    elif isinstance(photo, bytes | bytearray | memoryview):
        content = bytes(photo)
    elif hasattr(photo, "read"):
        if _descriptor(photo) == 0:
            name = "standard input"
        try:
            content = photo.read(MAX_BYTES + 1)
        except (OSError, ValueError) as error:
            raise PhotoError(f"{name}: cannot be read ({error})") from None
        if not isinstance(content, bytes):
            raise PhotoError(f"{name}: open the file in binary mode")
    else:
        raise PhotoError(f"a photo is a path, bytes, a file, an image or an array, not {type(photo).__name__}")
    return _decode(content, name, least_side)


def _descriptor(file: BinaryIO) -> int | None:
    try:
        return file.fileno()
    except (OSError, ValueError, AttributeError):
        return None


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
        with warnings.catch_warnings():
            # Pillow warns of large pictures from 89 megapixels on; the limit here is checked just below.
            warnings.simplefilter("ignore")
            image = Image.open(io.BytesIO(content), formats=FORMATS)
    except UnidentifiedImageError:
        if content[4:12] in (b"ftypheic", b"ftypheix", b"ftypmif1", b"ftyphevc"):
            raise PhotoError(f"{name}: HEIC is not supported; save it as JPEG") from None
        raise PhotoError(f"{name}: not a photo; use {SUPPORTED}") from None
    except Image.DecompressionBombError:
        raise PhotoError(f"{name}: more than {MAX_PIXELS // 1_000_000} megapixels; send a smaller copy") from None
    # A decoder meeting forged input may raise nearly anything (SyntaxError, struct.error, ZeroDivisionError, …);
    # whatever it is, the photo is damaged.
    except Exception as error:
        raise PhotoError(f"{name}: damaged ({_reason(error)})") from None
    with image:
        _check_size(image, name)
        if least_side and image.format in ("JPEG", "MPO"):
            scale = least_side / min(image.size)
            image.draft(None, (math.ceil(image.width * scale), math.ceil(image.height * scale)))
        return _upright_rgb(image, name)


def _check_size(image: Image.Image, name: str) -> None:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise PhotoError(
            f"{name}: {width} × {height} is more than {MAX_PIXELS // 1_000_000} megapixels; send a smaller copy"
        )
    if not width or not height:
        raise PhotoError(f"{name}: has no pixels")


def _upright_rgb(image: Image.Image, name: str) -> Image.Image:
    _check_size(image, name)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image.load()
            rgb = _to_rgb(image)
            return _transposed(image, rgb)
    except MemoryError:
        raise PhotoError(f"{name}: too large for this machine's memory") from None
    except Exception as error:
        raise PhotoError(f"{name}: damaged ({_reason(error)})") from None


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        # Pillow's own conversion clips these at 255. Sixteen-bit greys arrive as I;16 or, from some files, as I.
        values = np.asarray(image, dtype=np.float32)
        top = 65535.0 if image.mode != "F" else max(1.0, float(np.nanmax(values, initial=1.0)))
        grey = np.clip(np.nan_to_num(values) * (255.0 / top), 0, 255).round().astype(np.uint8)
        return Image.fromarray(grey).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        rgb = Image.new("RGB", rgba.size, (255, 255, 255))
        rgb.paste(rgba, mask=rgba.getchannel("A"))
        return rgb
    # convert() returns a copy, so the caller's own image is never changed or closed with ours.
    return image.convert("RGB")


def _transposed(image: Image.Image, rgb: Image.Image) -> Image.Image:
    try:
        orientation = image.getexif().get(0x0112, 1)
    except Exception:  # a damaged EXIF block does not spoil the picture
        return rgb
    if orientation not in range(2, 9):
        return rgb
    exif = rgb.getexif()
    exif.clear()
    exif[0x0112] = orientation
    return ImageOps.exif_transpose(rgb)


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
