"""From a decoded picture of any mode to upright RGB with 8 bits a channel."""

from collections.abc import Iterator

import numpy as np
from PIL import Image

from runtime.errors import DamagedPhotoError, PhotoError, says_too_little_memory
from runtime.photos.pixel_meaning import check_meaning, first_frame_box, grey_scale, may_lack_alpha
from runtime.photos.reading import not_enough_memory, unreadable
from runtime.photos.structure.exif_block import is_modest

TRANSPOSE_BY_ORIENTATION = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF orientation → the operation that makes the photo upright."""

STRIP_ROWS = 64
"""Rows that are converted at a time, so that no second copy of a whole picture is held."""
REDUCED_PIXELS = 16_000_000
"""Pictures of more pixels are reduced while they are converted, if that leaves enough."""


def upright_rgb(image: Image.Image, name: str, *, copy: bool = False, min_side: int | None = None) -> Image.Image:
    """Decode ``image``, convert it to RGB and turn it upright.

    Args:
        image: opened by Pillow.
        name: for messages.
        copy: never return ``image`` itself, because it belongs to the caller.
        min_side: if given, a picture of more than `REDUCED_PIXELS` is reduced by a whole number, so that its shorter
            side keeps at least this many pixels. Then no second copy of the whole picture is made.

    Raises:
        PhotoError: the pixels would be misread, or all of them are transparent.
        DamagedPhotoError: the data cannot be decoded.
        OutOfMemoryError: the memory does not suffice.
    """
    check_meaning(image, name)
    frame = first_frame_box(image)
    try:
        image.load()
        transpose = _transpose(image)
        factor = 1 if frame or min_side is None else _whole_factor(image, min_side)
        rgb = _to_rgb(image, name) if factor == 1 else _reduced_rgb(image, factor, name)
        if frame:
            rgb = _on_white(rgb.crop(frame), image.size, frame)
        if transpose is not None:
            return rgb.transpose(transpose)
        return rgb.copy() if copy and rgb is image else rgb
    except PhotoError:
        raise
    except Exception as error:
        raise decoding_error(name, error) from None


def image_from_array(array: np.ndarray) -> Image.Image:
    """Return an array as an RGB image.

    Args:
        array: uint8, shape (height, width, 3) in RGB, (height, width, 4) with opacity, or (height, width) in grey.

    Raises:
        PhotoError: another dtype or shape, or no visible pixels.
    """
    if array.dtype != np.uint8 or not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))):
        raise PhotoError(
            "an array must be uint8 of shape (height, width, 3) in RGB, (height, width, 4) with opacity or "
            f"(height, width) in grey, not {array.dtype} of shape {array.shape}"
        )
    if not array.size:
        raise PhotoError("the array has no pixels")
    return upright_rgb(Image.fromarray(np.ascontiguousarray(array)), "the array")


def decoding_error(name: str, error: Exception) -> PhotoError:
    """Return the error for a photo that a decoder failed on.

    Args:
        name: of the photo, for the message.
        error: what Pillow raised.
    """
    if says_too_little_memory(error):
        return not_enough_memory(name)
    # Errors of the system come from loading a decoder. Pillow's own errors about a photo have no number.
    if isinstance(error, ImportError) or (isinstance(error, OSError) and error.errno is not None):
        return unreadable(name, error)
    return DamagedPhotoError(f"{name}: damaged ({str(error).strip() or type(error).__name__})")


def _to_rgb(image: Image.Image, name: str) -> Image.Image:
    if _is_deep(image):
        return Image.fromarray(_eight_bits(image, name)).convert("RGB")
    if _has_alpha(image):
        rgba = _to_rgba(image)
        alpha = rgba.getchannel("A")
        if alpha.getextrema() != (0, 0):
            return _on_white(rgba, rgba.size, (0, 0), alpha)
        _check_alpha_is_unused(image, name)
        return rgba.convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def _whole_factor(image: Image.Image, min_side: int) -> int:
    """Return by how much a picture is reduced, 1 if it is not very large."""
    return max(1, min(image.size) // min_side) if image.width * image.height > REDUCED_PIXELS else 1


def _reduced_rgb(image: Image.Image, factor: int, name: str) -> Image.Image:
    """Return what `_to_rgb` returns, reduced by ``factor`` in width and height (mean of the pixels).

    The picture is converted in strips.
    """
    rgb = Image.new("RGB", (-(-image.width // factor), -(-image.height // factor)))
    if _is_deep(image):
        return Image.fromarray(_eight_bits(image, name)).reduce(factor).convert("RGB")
    is_transparent = False
    if _has_alpha(image):
        strips = (_to_rgba(strip).getchannel("A") for _, strip in _strips(image, factor))
        if is_transparent := all(alpha.getextrema() == (0, 0) for alpha in strips):
            _check_alpha_is_unused(image, name)
    for top, strip in _strips(image, factor):
        if _has_alpha(image) and not is_transparent:
            rgba = _to_rgba(strip)
            part = _on_white(rgba, rgba.size, (0, 0), rgba.getchannel("A"))
        else:
            part = (_to_rgba(strip) if is_transparent else strip).convert("RGB")
        rgb.paste(part.reduce(factor), (0, top // factor))
    return rgb


def _strips(image: Image.Image, factor: int) -> Iterator[tuple[int, Image.Image]]:
    """Yield the picture in strips with the row where each begins, a multiple of ``factor``."""
    rows = factor * max(1, STRIP_ROWS // factor)
    for top in range(0, image.height, rows):
        yield top, image.crop((0, top, image.width, min(top + rows, image.height)))


def _is_deep(image: Image.Image) -> bool:
    """Return whether an image is grey with more than 8 bits."""
    return image.mode.startswith("I;16") or image.mode in ("I", "F")


def _has_alpha(image: Image.Image) -> bool:
    return image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info


def _to_rgba(image: Image.Image) -> Image.Image:
    image = image.convert("LA") if image.mode == "La" else image
    return image if image.mode == "RGBA" else image.convert("RGBA")


def _check_alpha_is_unused(image: Image.Image, name: str) -> None:
    """Raise `PhotoError` for an image that is transparent everywhere, unless its alpha may mean nothing."""
    if not may_lack_alpha(image):
        raise PhotoError(f"{name}: every pixel is transparent; save it without transparency")


def _on_white(
    image: Image.Image,
    size: tuple[int, int],
    box: tuple[int, int] | tuple[int, int, int, int],
    alpha: Image.Image | None = None,
) -> Image.Image:
    """Return an RGB image of ``size`` that is white where ``image`` at ``box`` does not cover it."""
    rgb = Image.new("RGB", size, (255, 255, 255))
    rgb.paste(image, box, alpha)
    return rgb


def _eight_bits(image: Image.Image, name: str) -> np.ndarray:
    """Return grey values of 16 or 32 bits as uint8. Pillow's own conversion would clip them at 255."""
    result = np.empty((image.height, image.width), np.uint8)
    strips = [(top, min(top + STRIP_ROWS, image.height)) for top in range(0, image.height, STRIP_ROWS)]
    scale = grey_scale(image)
    transparent = image.info.get("transparency")

    def values(top: int, bottom: int) -> np.ndarray:
        numbers = np.asarray(image.crop((0, top, image.width, bottom)))
        # Pillow has no mode for 32 bits without a sign.
        return numbers.view(np.uint32) if scale.white == 2.0**32 - 1 else numbers

    white = scale.white or max(1.0, *(float(np.nanmax(values(*s), initial=1.0)) for s in strips))
    for top, bottom in strips:
        numbers = values(top, bottom)
        if scale.white and numbers.max(initial=0) > scale.white:
            raise PhotoError(f"{name}: grey values above {scale.white:.0f}; scale them to 0 to {scale.white:.0f}")
        scaled = np.nan_to_num(numbers.astype(np.float32)) * (255.0 / white)
        result[top:bottom] = np.clip(255 - scaled if scale.inverted else scaled, 0, 255).round()
        if isinstance(transparent, int):
            result[top:bottom][numbers == transparent] = 255
    return result


def _transpose(image: Image.Image) -> Image.Transpose | None:
    """Return the operation that makes the photo upright (EXIF, JEITA CP-3451, tag 0x0112), or None if it is upright."""
    try:
        return TRANSPOSE_BY_ORIENTATION.get(image.getexif().get(0x0112, 1)) if is_modest(exif_block(image)) else None
    except Exception:  # pixels can be used although the EXIF block is damaged
        return None


def exif_block(image: Image.Image) -> bytes:
    """Return the EXIF block of an image as `Image.getexif` finds it; empty without one, and for a TIFF."""
    block = image.info.get("exif")
    if block is None and "Raw profile type exif" in image.info:  # a text of a PNG: three lines, then hexadecimal digits
        try:
            block = bytes.fromhex("".join(image.info["Raw profile type exif"].split("\n")[3:]))
        except ValueError:
            return b""
    return block or b""
