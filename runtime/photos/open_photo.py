"""From an untrusted photo to an upright RGB image, in stages that are each run once.

1. Read the bytes (`runtime.photos.reading`).
2. Identify the format (this module, with the table in `runtime.photos.formats`).
3. Check the limits (`runtime.photos.limits`).
4. Decode, convert to RGB and turn upright (`runtime.photos.decoding.rgb`).
"""

import io
import math
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import BinaryIO

import numpy as np
from PIL import Image, UnidentifiedImageError

from runtime.errors import DamagedPhotoError, PhotoError, TruncatedPhotoError
from runtime.photos.decoding.memory import (
    BUDGET_BYTES,
    DECODING_MEMORY,
    LARGE_DECODING_BYTES,
    LARGE_FILE_BYTES,
    decoding_bytes,
    give_back_free_memory,
)
from runtime.photos.decoding.needless_parts import TIFF_SIGNATURES, without_needless_parts
from runtime.photos.decoding.rgb import error_text, image_from_array, upright_rgb
from runtime.photos.decoding.tiff_messages import silence_libtiff
from runtime.photos.decoding.truncation import decode_without_end_marker, ends_early
from runtime.photos.formats import FORMATS, HEIC_ADVICE, format_names, format_of, is_heic, use_heic_decoder
from runtime.photos.limits import check_file, check_size, decompression_bomb_error
from runtime.photos.reading import not_enough_memory, read_photo

Photo = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO | Image.Image | np.ndarray
"""A photo: a path, the bytes of a file, a binary file object, a Pillow image, or an array."""


def open_photo(photo: Photo, *, min_side: int | None = None) -> Image.Image:
    """Return ``photo`` upright and in mode ``RGB``.

    The EXIF orientation is applied. Transparent pictures get a white background. Of an animation, the first frame is
    taken. 16-bit grey is scaled to 8 bits. Palettes, grey and CMYK are converted.

    Args:
        photo: a path, the bytes of an image file, a binary file object, a Pillow image, or a uint8 array of shape
            (height, width, 3) in RGB, (height, width, 4) with opacity or (height, width) in grey.
        min_side: if given, a JPEG, or a very large picture of another format, may be decoded at a reduced scale whose
            shorter side is at least this many pixels. For photos from a phone this is several times as fast.

    Raises:
        TruncatedPhotoError: the end of the file is missing.
        UnavailablePhotoError: the photo cannot be read now, or the memory is too small now.
        PhotoError: the photo is missing, damaged or too large, or its format is not supported.
    """
    with opened_photo(photo, min_side=min_side) as image:
        return image


@contextmanager
def opened_photo(photo: Photo, *, min_side: int | None = None) -> Iterator[Image.Image]:
    """Yield what `open_photo` returns. Its memory counts as used for decoding until the context ends.

    All threads together use a limited amount of memory for decoding (`runtime.photos.decoding.memory`), so a thread may
    wait here.
    """
    if isinstance(photo, np.ndarray):
        yield image_from_array(photo)
    elif isinstance(photo, Image.Image):
        check_size(photo, "the image")
        yield upright_rgb(photo, "the image", copy=True, min_side=min_side)
    else:
        with ExitStack() as stack:
            if is_large := _is_large_file(photo):
                stack.enter_context(DECODING_MEMORY.reserve(BUDGET_BYTES))
            yield _decode_file(*read_photo(photo), min_side, None if is_large else stack)


def _is_large_file(photo: Photo) -> bool:
    try:
        return isinstance(photo, str | os.PathLike) and os.stat(photo).st_size > LARGE_FILE_BYTES  # noqa: PTH116
    except (OSError, ValueError):  # `read_photo` says what is wrong
        return False


def _decode_file(content: bytes, name: str, min_side: int | None, stack: ExitStack | None) -> Image.Image:
    """Return the picture in a file.

    Args:
        content: of the file.
        name: of the photo, for messages.
        min_side: as in `open_photo`.
        stack: its end frees the memory that is reserved here; None if memory is reserved already.
    """
    try:
        return _decode(content, name, min_side, stack)
    except DamagedPhotoError as error:
        if stack:
            stack.close()
        kept = without_needless_parts(content)
        if kept is not None:
            with suppress(DamagedPhotoError):
                return _decode(kept, name, min_side, stack)
        if isinstance(error, TruncatedPhotoError) or not ends_early(content):
            raise
        raise TruncatedPhotoError(f"{name}: the end of the file is missing") from None


def _decode(content: bytes, name: str, min_side: int | None, stack: ExitStack | None) -> Image.Image:
    with _identify(content, name) as image:
        check_file(image, content, name)
        needed = decoding_bytes(image, min_side)
        if stack is not None:
            stack.enter_context(DECODING_MEMORY.reserve(needed))
        if needed > LARGE_DECODING_BYTES:
            give_back_free_memory()
        is_jpeg = format_of(image) is FORMATS["JPEG"]

        def decode(image: Image.Image) -> Image.Image:
            if min_side and is_jpeg:
                _reduce_scale(image, min_side)
            return upright_rgb(image, name, min_side=min_side)

        try:
            return decode(image)
        except TruncatedPhotoError:
            complete = decode_without_end_marker(content, decode) if is_jpeg else None
            if complete is None:
                raise
            return complete


def _identify(content: bytes, name: str) -> Image.Image:
    """Return the image that Pillow finds in ``content``, not yet decoded."""
    if is_heic(content):
        if not FORMATS["HEIF"].installed:
            raise PhotoError(f"{name}: HEIC; {HEIC_ADVICE}, or save it as JPEG")
        use_heic_decoder()
    if content[:4] in TIFF_SIGNATURES:
        silence_libtiff()
    try:
        return Image.open(
            io.BytesIO(content), formats=[form for form in FORMATS if form in Image.OPEN or form != "HEIF"]
        )
    except UnidentifiedImageError:
        raise DamagedPhotoError(f"{name}: not a photo; use {format_names()}") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise decompression_bomb_error(name) from None
    except MemoryError:
        raise not_enough_memory(name) from None
    # A decoder may raise nearly any exception for a forged file (SyntaxError, struct.error, ZeroDivisionError, …).
    except Exception as error:
        raise DamagedPhotoError(f"{name}: damaged ({error_text(error)})") from None


def _reduce_scale(image: Image.Image, min_side: int) -> None:
    """Let libjpeg decode at 1/2, 1/4 or 1/8 of the size, if the shorter side keeps at least ``min_side`` pixels."""
    scale = min_side / min(image.size)
    image.draft(None, (math.ceil(image.width * scale), math.ceil(image.height * scale)))
