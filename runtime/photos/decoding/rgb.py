"""From a decoded picture of any mode to upright RGB with 8 bits a channel."""

from collections.abc import Iterator

import numpy as np
from PIL import Image

from runtime.errors import DamagedPhotoError, PhotoError, TruncatedPhotoError
from runtime.photos.decoding.pixel_meaning import PixelMeaning
from runtime.photos.reading import not_enough_memory

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
ALPHA_MODES = frozenset({"RGBA", "LA", "PA", "La", "RGBa"})


def upright_rgb(image: Image.Image, name: str, *, copy: bool = False, min_side: int | None = None) -> Image.Image:
    """Decode ``image``, convert it to RGB and turn it upright.

    Args:
        image: opened by Pillow.
        name: for messages.
        copy: never return ``image`` itself, because it belongs to the caller.
        min_side: if given, a picture of more than `REDUCED_PIXELS` is reduced by a whole number, so that its shorter
            side keeps at least this many pixels. Then no second copy of the whole picture is made.

    Raises:
        DamagedPhotoError: the data is damaged; a TruncatedPhotoError if its end is missing.
        PhotoError: no pixel is visible.
        UnavailablePhotoError: the memory is too small.
    """
    try:
        meaning = PixelMeaning.of(image, name)
        image.load()
        transpose = _transpose(image)
        rgb = _to_rgb(image, meaning, _whole_factor(image, min_side), name)
        if transpose is not None:
            return rgb.transpose(transpose)
        return rgb.copy() if copy and rgb is image else rgb
    except PhotoError:
        raise
    except MemoryError:
        raise not_enough_memory(name) from None
    except Exception as error:
        kind = TruncatedPhotoError if "truncated" in str(error).lower() else DamagedPhotoError
        raise kind(f"{name}: damaged ({error_text(error)})") from None


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


def error_text(error: Exception) -> str:
    """Return the text of an error, or its type if it has none."""
    return str(error).strip() or type(error).__name__


def _whole_factor(image: Image.Image, min_side: int | None) -> int:
    if min_side is None or image.width * image.height <= REDUCED_PIXELS:
        return 1
    return max(1, min(image.size) // min_side)


def _to_rgb(image: Image.Image, meaning: PixelMeaning, factor: int, name: str) -> Image.Image:
    """Return a decoded image as RGB, reduced by ``factor`` in width and height."""
    has_alpha = not meaning.ignores_alpha and (image.mode in ALPHA_MODES or "transparency" in image.info)
    if has_alpha and meaning.alpha_may_be_unused and image.mode in ALPHA_MODES:
        has_alpha = image.getextrema()[-1] != (0, 0)
    if image.mode == "F":
        meaning = PixelMeaning(white=_largest(image))
    if image.mode == "RGB" and not has_alpha and factor == 1:
        return image
    if not has_alpha and factor == 1 and not _is_deep(image):
        return image.convert("RGB")
    rgb = Image.new("RGB", (-(-image.width // factor), -(-image.height // factor)))
    visible = False
    for top, strip in _strips(image, factor):
        part = _strip_to_rgb(strip, meaning, has_alpha=has_alpha)
        visible = visible or part is not None
        if part is None:
            part = Image.new("RGB", strip.size, (255, 255, 255))
        rgb.paste(part.reduce(factor) if factor > 1 else part, (0, top // factor))
    if not visible:
        raise PhotoError(f"{name}: every pixel is transparent; save it without transparency")
    return rgb


def _strips(image: Image.Image, factor: int) -> Iterator[tuple[int, Image.Image]]:
    """Yield the picture in strips with the row where each begins, a multiple of ``factor``."""
    rows = factor * max(1, STRIP_ROWS // factor)
    for top in range(0, image.height, rows):
        strip = image.crop((0, top, image.width, min(top + rows, image.height)))
        strip.info = image.info
        yield top, strip


def _strip_to_rgb(strip: Image.Image, meaning: PixelMeaning, *, has_alpha: bool) -> Image.Image | None:
    """Return a strip as RGB on a white background, or None if it is transparent everywhere."""
    if _is_deep(strip):
        values = np.asarray(strip, dtype=np.float32)
        rgb = Image.fromarray(_eight_bits(values, meaning)).convert("RGB")
        if meaning.transparent_value is None:
            return rgb
        alpha = Image.fromarray(np.where(values == meaning.transparent_value, np.uint8(0), np.uint8(255)))
    elif not has_alpha:
        return strip.convert("RGB")
    elif meaning.transparent_value is not None and strip.mode == "L":
        rgb, alpha = strip.convert("RGB"), strip.point(lambda value: 255 * (value != meaning.transparent_value))
    else:
        rgba = strip if strip.mode == "RGBA" else strip.convert("RGBA")
        rgb, alpha = rgba, rgba.getchannel("A")
    if alpha.getextrema() == (0, 0):
        return None
    background = Image.new("RGB", strip.size, (255, 255, 255))
    background.paste(rgb, mask=alpha)
    return background


def _is_deep(image: Image.Image) -> bool:
    """Return whether an image is grey with more than 8 bits."""
    return image.mode.startswith("I;16") or image.mode in ("I", "F")


def _eight_bits(values: np.ndarray, meaning: PixelMeaning) -> np.ndarray:
    """Return grey values of more than 8 bits as uint8. Pillow's own conversion would clip them at 255."""
    scaled = np.nan_to_num(values) * (255.0 / (meaning.white or 1.0))
    grey: np.ndarray = np.clip(scaled, 0, 255).round().astype(np.uint8)
    return 255 - grey if meaning.inverted else grey


def _largest(image: Image.Image) -> float:
    """Return the largest value of a picture of mode F, at least 1. These values have no fixed range."""
    largest = (float(np.nanmax(np.asarray(strip, dtype=np.float32), initial=1.0)) for _, strip in _strips(image, 1))
    return max(largest)


def _transpose(image: Image.Image) -> Image.Transpose | None:
    """Return the operation that makes the photo upright (EXIF, JEITA CP-3451, tag 0x0112), or None if it is upright."""
    try:
        return TRANSPOSE_BY_ORIENTATION.get(image.getexif().get(0x0112, 1))
    except Exception:  # pixels can be used although the EXIF block is damaged
        return None
