"""TODO from runtime.photos.open_photo."""

import numpy as np
from PIL import Image

from runtime.errors import PhotoError

TRANSPOSE_BY_ORIENTATION = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF orientation → what makes the photo upright."""


def upright_rgb(image: Image.Image, name: str, *, copied: bool = False) -> Image.Image:
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
        raise PhotoError(f"{name}: damaged ({error_text(error)})") from None


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
        return TRANSPOSE_BY_ORIENTATION.get(image.getexif().get(0x0112, 1))
    except Exception:  # a damaged EXIF block does not spoil the picture
        return None


def image_from_array(array: np.ndarray) -> Image.Image:
    if array.dtype != np.uint8 or not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] == 3)):
        raise PhotoError(
            "an array must be uint8 of shape (height, width, 3) in RGB or (height, width) in grey, "
            f"not {array.dtype} of shape {array.shape}"
        )
    if not array.size:
        raise PhotoError("the array has no pixels")
    return Image.fromarray(np.ascontiguousarray(array)).convert("RGB")


def error_text(error: Exception) -> str:
    return str(error).strip() or type(error).__name__
