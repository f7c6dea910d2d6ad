"""From an untrusted photo to an upright RGB image.

The stages of a photo: read the bytes (`runtime.photos.reading`), identify the format (`runtime.photos.formats`),
check the limits (`runtime.photos.limits`), decode and convert (`runtime.photos.rgb`).
"""

import io
import math
import os
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, UnidentifiedImageError

from runtime.errors import PhotoError
from runtime.photos.formats import FORMAT_NAMES, FORMATS
from runtime.photos.jpeg_scans import count_scans
from runtime.photos.limits import MAX_BYTES, MAX_PIXELS_OF, MAX_SCANS, check_size, check_tiles, too_many_pixels
from runtime.photos.reading import file_descriptor, read_file, read_stream
from runtime.photos.rgb import error_text, image_from_array, upright_rgb

Photo = str | os.PathLike[str] | bytes | BinaryIO | Image.Image | np.ndarray
"""A photo: a path, the bytes of a file, a binary file object, a Pillow image, or an array."""

HEIC_BRANDS = (b"ftypheic", b"ftypheix", b"ftypmif1", b"ftyphevc")
"""Bytes 4 to 11 of a HEIC file (ISO/IEC 23008-12)."""


def open_photo(photo: Photo, *, min_side: int | None = None) -> Image.Image:
    """Return ``photo`` upright and in mode ``RGB``.

    The EXIF orientation is applied. Transparent pictures get a white background. Of an animation, the first frame is
    taken. 16-bit grey is scaled to 8 bits. Palettes, grey and CMYK are converted.

    Args:
        photo: a path, the bytes of an image file, a binary file object, a Pillow image, or a uint8 array of shape
            (height, width, 3) in RGB or (height, width) in grey.
        min_side: if given, a JPEG may be decoded at a reduced scale whose shorter side is at least this many pixels,
            which is several times as fast for photos from a phone.

    Raises:
        PhotoError: the photo is missing, damaged, too large, or in no format that is supported.
    """
    if isinstance(photo, np.ndarray):
        return image_from_array(photo)
    if isinstance(photo, Image.Image):
        check_size(photo, "the image")
        return upright_rgb(photo, "the image", copy=True)
    name = "the photo"
    if isinstance(photo, (str, os.PathLike)):
        name = os.fsdecode(photo)
        content = read_file(Path(photo))
    elif isinstance(photo, bytes | bytearray | memoryview):
        content = bytes(photo)
    elif hasattr(photo, "read"):
        if file_descriptor(photo) == 0:
            name = "standard input"
        content = read_stream(photo, name)
    else:
        raise PhotoError(f"a photo is a path, bytes, a file, an image or an array, not {type(photo).__name__}")
    return _decode(content, name, min_side)


def _decode(content: bytes, name: str, min_side: int | None) -> Image.Image:
    with _identify(content, name) as image:
        is_jpeg = image.format in ("JPEG", "MPO")
        scans = count_scans(content, MAX_SCANS) if is_jpeg else 1
        check_size(image, name, multiple_scans=scans > 1)
        if scans > MAX_SCANS:
            raise PhotoError(f"{name}: a JPEG of more than {MAX_SCANS} scans; save it again")
        if image.format == "TIFF":
            check_tiles(image, name)
        if min_side and is_jpeg:
            scale = min_side / min(image.size)
            image.draft(None, (math.ceil(image.width * scale), math.ceil(image.height * scale)))
        return upright_rgb(image, name)


def _identify(content: bytes, name: str) -> Image.Image:
    """Return the image that Pillow finds in ``content``, not yet decoded."""
    if not content:
        raise PhotoError(f"{name}: the file is empty")
    if len(content) > MAX_BYTES:
        raise PhotoError(f"{name}: larger than {MAX_BYTES // 1024**2} MB; send a smaller copy")
    try:
        return Image.open(io.BytesIO(content), formats=FORMATS)
    except UnidentifiedImageError:
        if content[4:12] in HEIC_BRANDS:
            raise PhotoError(f"{name}: HEIC is not supported; save it as JPEG") from None
        raise PhotoError(f"{name}: not a photo; use {FORMAT_NAMES}") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise PhotoError(f"{name}: {too_many_pixels(max(MAX_PIXELS_OF.values()))}") from None
    # A decoder may raise nearly any exception for a forged file (SyntaxError, struct.error, ZeroDivisionError, …).
    except Exception as error:
        raise PhotoError(f"{name}: damaged ({error_text(error)})") from None
