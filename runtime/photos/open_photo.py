"""From an untrusted photo to an upright RGB image, in stages that are each run once.

1. Read the bytes (`runtime.photos.reading`).
2. Identify the format (this module, with the table in `runtime.photos.formats`).
3. Check the limits (`runtime.photos.limits`).
4. Decode, convert to RGB and turn upright (`runtime.photos.rgb`).

A file that cannot be decoded is tried again without the parts that no pixel needs, unless its end is missing.
"""

import io
import math
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import BinaryIO

import numpy as np
from PIL import Image, UnidentifiedImageError

from runtime.errors import DamagedPhotoError, PhotoError, TruncatedPhotoError, UnreadableError
from runtime.photos.decoding_memory import (
    BUDGET_BYTES,
    DECODING_MEMORY,
    LARGE_DECODING_BYTES,
    LARGE_FILE_BYTES,
    decoding_bytes,
    give_back_free_memory,
    has_memory_for,
)
from runtime.photos.formats import FORMATS, HAS_HEIC, HEIC, HEIC_PACKAGE, format_names, format_of
from runtime.photos.jpeg_end import decode_without_end
from runtime.photos.limits import check_file, check_size, decompression_bomb_error
from runtime.photos.pixel_meaning import correct_colours
from runtime.photos.reading import not_enough_memory, read_photo
from runtime.photos.rgb import decoding_error, exif_block, image_from_array, upright_rgb
from runtime.photos.structure.capture_details import CaptureDetails, read_capture_details
from runtime.photos.structure.exif_block import exif_of_jpeg
from runtime.photos.structure.file_end import ends_early
from runtime.photos.structure.heif_brands import is_heic
from runtime.photos.structure.hidden_damage import hidden_damage
from runtime.photos.structure.jpeg_markers import START as JPEG_START
from runtime.photos.structure.jpeg_markers import has_end
from runtime.photos.structure.only_pixels import only_pixels
from runtime.photos.structure.part_count import has_too_many_parts

CLOSED, TRUNCATED = "closed image", "image file is truncated"
"""Parts of Pillow's messages."""

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
        PhotoError: the photo is missing, damaged or too large, or its format is not supported. It is a
            `TruncatedPhotoError` if the bytes end before the picture does. If its ``passing`` is true, the same photo
            may be readable later.
    """
    with opened_photo(photo, min_side=min_side) as image:
        return image


@contextmanager
def opened_photo(photo: Photo, *, min_side: int | None = None) -> Iterator[Image.Image]:
    """Yield what `open_photo` returns. Its memory counts as used for decoding until the context ends.

    All threads together use a limited amount of memory for decoding (`runtime.photos.decoding_memory`), so a thread may
    wait here.
    """
    try:
        if isinstance(photo, np.ndarray):
            yield image_from_array(photo)
        elif isinstance(photo, Image.Image):
            check_size(photo, "the image")
            yield _upright_image(photo, min_side)
        else:
            with ExitStack() as stack:
                if is_large := _is_large_file(photo):
                    stack.enter_context(DECODING_MEMORY.reserve(BUDGET_BYTES))
                yield _decode_file(*read_photo(photo), min_side, None if is_large else stack)
    except MemoryError:
        raise not_enough_memory(str(photo) if isinstance(photo, str | os.PathLike) else "the photo") from None


def capture_details(photo: Photo) -> CaptureDetails:
    """Return when and where a photo was taken, as the file says. An array has no such details, and TIFF is not read.

    Raises:
        PhotoError: the photo cannot be read, or is no photo.
    """
    if isinstance(photo, np.ndarray):
        return CaptureDetails()
    if isinstance(photo, Image.Image):
        return read_capture_details(exif_block(photo))
    content, name = read_photo(photo)
    if content.startswith(JPEG_START):
        return read_capture_details(exif_of_jpeg(content))
    if has_too_many_parts(content):
        raise PhotoError(f"{name}: has more parts than any picture; save it again")
    with _identify(content, name) as image:
        return read_capture_details(exif_block(image))


def _upright_image(image: Image.Image, min_side: int | None) -> Image.Image:
    """Return an image of the caller upright. Pillow may not have read its pixels yet."""
    try:
        return upright_rgb(image, "the image", copy=True, min_side=min_side)
    except DamagedPhotoError as error:
        if CLOSED in str(error):
            raise PhotoError("the image: is closed; give an open one") from None
        if TRUNCATED in str(error):
            raise _truncated("the image") from None
        raise


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
        if isinstance(error, TruncatedPhotoError) or ends_early(content):
            raise _truncated(name) from None
        reduced = only_pixels(content)
        if reduced is None:
            raise
    return _decode(reduced, name, min_side, stack)


def _decode(content: bytes, name: str, min_side: int | None, stack: ExitStack | None) -> Image.Image:
    """Return the photo in the bytes of a file; the arguments are those of `_decode_file`."""
    if has_too_many_parts(content):
        raise PhotoError(f"{name}: has more parts than any picture; save it again")
    if (damage := hidden_damage(content)) is not None:
        raise DamagedPhotoError(f"{name}: damaged ({damage})")
    if content.startswith(JPEG_START) and not has_end(content):
        image = decode_without_end(content, lambda complete: _decode(complete, name, min_side, stack))
        if image is None:
            raise _truncated(name)
        return image
    with _identify(content, name) as image:
        check_file(image, content, name)
        needed = decoding_bytes(image, min_side)
        if stack is not None:
            stack.close()  # what an earlier attempt on this file reserved
            stack.enter_context(DECODING_MEMORY.reserve(needed))
        if needed > LARGE_DECODING_BYTES:
            give_back_free_memory()
        correct_colours(image)
        if min_side and format_of(image) is FORMATS["JPEG"]:
            _reduce_scale(image, min_side)
        try:
            return upright_rgb(image, name, min_side=min_side)
        except DamagedPhotoError:
            # libjpeg and others do not say whether memory was refused.
            if not has_memory_for(needed):
                raise not_enough_memory(name) from None
            raise


def _truncated(name: str) -> TruncatedPhotoError:
    return TruncatedPhotoError(f"{name}: incomplete (the file ends before the picture does); send it again")


def _identify(content: bytes, name: str) -> Image.Image:
    """Return the image that Pillow finds in ``content``, not yet decoded."""
    heic = is_heic(content)
    if heic and not HAS_HEIC:
        raise UnreadableError(
            f"{name}: HEIC needs another package; run: pip install {HEIC_PACKAGE}; or save it as JPEG"
        )
    try:
        if heic:
            return _open_heic(content)
        return Image.open(io.BytesIO(content), formats=[each for each in FORMATS if each != HEIC.pillow_name])
    except UnidentifiedImageError:
        kind = _format_by_signature(content)
        reason = f"damaged, or a rare kind of {kind}; save it as JPEG" if kind else f"not a photo; use {format_names()}"
        raise DamagedPhotoError(f"{name}: {reason}") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise decompression_bomb_error(name) from None
    # A decoder may raise nearly any exception for a forged file (SyntaxError, struct.error, ZeroDivisionError, …).
    except Exception as error:
        raise decoding_error(name, error) from None


def _format_by_signature(content: bytes) -> str | None:
    """Return the name of the format that the first bytes of a file belong to."""
    for photo_format in FORMATS.values():
        _, accepts = Image.OPEN.get(photo_format.pillow_name, (None, None))
        if accepts and accepts(content[:16]) is True:
            return str(photo_format.name)
    return None


def _open_heic(content: bytes) -> Image.Image:
    from pillow_heif import HeifImageFile

    # The class is used directly: registering it with Pillow would change what the caller's own code can open. It knows
    # the orientation from the file's own properties, and removes it from the EXIF block.
    image: Image.Image = HeifImageFile(io.BytesIO(content))  # type: ignore[no-untyped-call]
    return image


def _reduce_scale(image: Image.Image, min_side: int) -> None:
    """Let libjpeg decode at 1/2, 1/4 or 1/8 of the size, if the shorter side keeps at least ``min_side`` pixels."""
    scale = min_side / min(image.size)
    image.draft(None, (math.ceil(image.width * scale), math.ceil(image.height * scale)))
