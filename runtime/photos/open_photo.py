"""From an untrusted photo to upright, eight-bit RGB.

A photo may come from anywhere, so everything about it is limited before it is believed: the size of the file, the
formats that are tried, the number of pixels. What comes out is always a Pillow image in mode ``RGB``.
"""

import io
import math
import os
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, UnidentifiedImageError

from runtime.errors import PhotoError
from runtime.photos.formats import FORMATS, SUPPORTED
from runtime.photos.jpeg_scans import count_scans
from runtime.photos.limits import (
    MAX_BYTES,
    MAX_PIXELS_OF,
    MAX_SCANS,
    check_size,
    check_tiles,
    too_many_pixels,
)
from runtime.photos.reading import file_descriptor, read_file, read_stream
from runtime.photos.rgb import (
    error_text,
    image_from_array,
    upright_rgb,
)

Photo = str | os.PathLike[str] | bytes | BinaryIO | Image.Image | np.ndarray
"""What counts as a photo: a path, the bytes of a file, a file object, a Pillow image, or an array."""


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
        return image_from_array(photo)
    if isinstance(photo, Image.Image):
        check_size(photo, "the image")
        return upright_rgb(photo, "the image", copied=True)
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
    return _decode(content, name, least_side)


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
        raise PhotoError(f"{name}: {too_many_pixels(max(MAX_PIXELS_OF.values()))}") from None
    # A decoder meeting forged input may raise nearly anything (SyntaxError, struct.error, ZeroDivisionError, …);
    # whatever it is, the photo is damaged.
    except Exception as error:
        raise PhotoError(f"{name}: damaged ({error_text(error)})") from None
    with image:
        jpeg = image.format in ("JPEG", "MPO")
        scans = count_scans(content, MAX_SCANS) if jpeg else 1
        check_size(image, name, in_scans=scans > 1)
        if scans > MAX_SCANS:
            raise PhotoError(f"{name}: a JPEG of more than {MAX_SCANS} scans; save it anew")
        if image.format == "TIFF":
            check_tiles(image, name)
        if least_side and jpeg:
            scale = least_side / min(image.size)
            image.draft(None, (math.ceil(image.width * scale), math.ceil(image.height * scale)))
        return upright_rgb(image, name)
