"""What the numbers of a picture mean, where Pillow's mode alone does not say it. It is read before decoding."""

from dataclasses import dataclass
from typing import Any

from PIL import Image

from runtime.errors import PhotoError

PHOTOMETRIC, BITS, EXTRA_SAMPLES, SAMPLE_FORMAT = 262, 258, 338, 339
"""TIFF's tags (TIFF 6.0, sections 8, 18 and 19)."""
WHITE_IS_ZERO, UNSIGNED, FLOAT = 0, 1, 3
"""Values of the tags PhotometricInterpretation and SampleFormat."""
SCALES = {"L;2": 85, "L;4": 17}
"""Pillow's name of few-bit grey → what its values are multiplied by when they become 8 bits."""


@dataclass(frozen=True)
class PixelMeaning:
    """How to read the pixels of one picture."""

    white: float | None = 65535.0
    """The value of white in grey of more than 8 bits; None if the largest value of the picture is white."""
    inverted: bool = False
    """Whether 0 is white in grey of more than 8 bits. Pillow itself inverts grey of 8 bits."""
    ignores_alpha: bool = False
    """Whether the fourth channel is no opacity."""
    alpha_may_be_unused: bool = False
    """Whether an opacity of 0 everywhere means that it was not used. Windows writes such BMP files."""
    transparent_value: int | None = None
    """The grey value, in the decoded picture, that is transparent."""

    @classmethod
    def of(cls, image: Image.Image, name: str) -> "PixelMeaning":
        """Return how to read the pixels of an image that is opened and perhaps not yet decoded.

        Raises:
            PhotoError: Pillow would misread them.
        """
        if image.format == "TIFF":
            return _of_tiff(image, name)
        transparent = image.info.get("transparency")
        if isinstance(transparent, int) and image.mode != "P":
            scale = SCALES.get(_raw_mode(image), 1)
            transparent *= scale
        return cls(
            white=None if image.mode == "F" else 65535.0,
            alpha_may_be_unused=image.format == "BMP",
            transparent_value=transparent if isinstance(transparent, int) else None,
        )


def _of_tiff(image: Image.Image, name: str) -> PixelMeaning:
    tags: Any = getattr(image, "tag_v2", {})
    bits, kind = _first(tags.get(BITS, 1)), _first(tags.get(SAMPLE_FORMAT, UNSIGNED))
    if kind not in (UNSIGNED, FLOAT) or (image.mode == "I" and kind == UNSIGNED):
        raise PhotoError(f"{name}: a TIFF of signed or 32-bit whole numbers; save it with 8 or 16 bits a channel")
    return PixelMeaning(
        white=None if image.mode == "F" else float(2**bits - 1),
        inverted=tags.get(PHOTOMETRIC) == WHITE_IS_ZERO and image.mode.startswith("I;16"),
        ignores_alpha=image.mode == "RGBA" and EXTRA_SAMPLES not in tags,
        alpha_may_be_unused=True,
    )


def _first(value: Any) -> int:
    return int(value[0] if isinstance(value, tuple) else value)


def _raw_mode(image: Image.Image) -> str:
    """Return Pillow's name of the form of the pixels in the file, or nothing after decoding."""
    tile = getattr(image, "tile", None)
    arguments = tile[0][3] if tile else ""
    return arguments if isinstance(arguments, str) else ""
