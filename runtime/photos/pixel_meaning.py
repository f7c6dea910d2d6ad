"""What the numbers of a decoded picture mean, where Pillow does not say it or has it wrong.

A file that Pillow would decode to other colours than its format says is refused, or corrected before it is decoded.
"""

from dataclasses import dataclass
from typing import Any

from PIL import Image

from runtime.errors import PhotoError

BITS, PHOTOMETRIC, PLANES, COLOUR_MAP, EXTRA_SAMPLES, SAMPLE_FORMAT = 258, 262, 284, 320, 338, 339
"""TIFF's tags BitsPerSample, PhotometricInterpretation, PlanarConfiguration, ColorMap, ExtraSamples, SampleFormat."""
MIN_IS_WHITE, SEPARATE_PLANES, SIGNED = 0, 2, 2
"""TIFF's values of these tags."""


@dataclass(frozen=True)
class GreyScale:
    """How grey values of more than 8 bits become 8 bits."""

    white: float | None
    """The value of white; None if the largest one in the picture is white, because the format has no range."""
    inverted: bool = False
    """Whether 0 is white, and ``white`` is black."""


def check_meaning(image: Image.Image, name: str) -> None:
    """Check that the pixels of an image that is not yet decoded will have a known meaning.

    Args:
        image: opened by Pillow.
        name: of the photo, for messages.

    Raises:
        PhotoError: they would be misread.
    """
    problem = None
    if image.format == "TIFF":
        tags = getattr(image, "tag_v2", {})
        bits = max(_numbers(tags.get(BITS, 1)), default=1)
        if SIGNED in _numbers(tags.get(SAMPLE_FORMAT, 1)):
            problem = "a TIFF of signed numbers"
        elif tags.get(PLANES) == SEPARATE_PLANES and bits > 8 and _codec(image) == "raw":
            problem = f"a TIFF of {bits} bits in separate planes"
        elif image.mode == "F" and tags.get(PHOTOMETRIC) == MIN_IS_WHITE:
            problem = "a TIFF of decimal numbers whose smallest is white"
    elif image.format == "BMP" and image.mode == "1" and _raw_stride(image) not in (None, (image.width + 31) // 32 * 4):
        problem = "a BMP of two colours in 4 or 8 bits"
    if problem:
        raise PhotoError(f"{name}: {problem} is not supported; save it as PNG or JPEG")


def correct_colours(image: Image.Image) -> None:
    """Correct what Pillow has read wrongly from the header of a file. ``image`` is not yet decoded."""
    transparent = image.info.get("transparency")
    raw_mode = _raw_mode(image)
    if image.format == "PNG" and raw_mode in ("L;2", "L;4"):
        # Pillow scales the pixels to 8 bits, but not the grey value that is transparent.
        if isinstance(transparent, int):
            image.info["transparency"] = transparent * {"L;2": 85, "L;4": 17}[raw_mode]
    elif image.format == "PNG" and raw_mode == "RGB;16B" and isinstance(transparent, tuple):
        image.info["transparency"] = tuple(value >> 8 for value in transparent)
    elif image.format == "TIFF" and image.mode == "P":
        colours = _numbers(getattr(image, "tag_v2", {}).get(COLOUR_MAP, ()))
        if colours and max(colours) < 256 and len(colours) % 3 == 0:  # of 8 bits instead of 16, from some old programs
            red_green_blue = zip(*(colours[n * len(colours) // 3 :] for n in range(3)), strict=False)
            image.putpalette(bytes(value for colour in red_green_blue for value in colour))


def first_frame_box(image: Image.Image) -> tuple[int, int, int, int] | None:
    """Return which part of a GIF its first frame covers; None if it covers all, or ``image`` is decoded.

    Pillow fills the rest with the background colour, which all browsers take for transparent.
    """
    tile = _first_tile(image)
    return tile.extents if image.format == "GIF" and tile and tile.extents != (0, 0, *image.size) else None


def grey_scale(image: Image.Image) -> GreyScale:
    """Return the scale of an image of mode I;16, I or F."""
    if image.mode == "F":
        return GreyScale(None)
    if image.format != "TIFF":  # Pillow gives 16-bit grey the mode I;16 or, from some files, I
        return GreyScale(65535.0)
    tags = getattr(image, "tag_v2", {})
    return GreyScale(2.0 ** max(_numbers(tags.get(BITS, 16))) - 1, tags.get(PHOTOMETRIC) == MIN_IS_WHITE)


def may_lack_alpha(image: Image.Image) -> bool:
    """Return whether the fourth channel of an image may hold no transparency, although Pillow calls it alpha.

    Windows writes BMP files with an alpha mask whose alpha is 0 everywhere. A TIFF should say in ExtraSamples what its
    fourth channel is.
    """
    return image.format == "BMP" or (image.format == "TIFF" and EXTRA_SAMPLES not in getattr(image, "tag_v2", {}))


def _codec(image: Image.Image) -> str | None:
    tile = _first_tile(image)
    return tile.codec_name if tile else None


def _raw_mode(image: Image.Image) -> str | None:
    """Return how the pixels lie in the file, in Pillow's words; None if the image is decoded."""
    tile = _first_tile(image)
    return tile.args if tile and isinstance(tile.args, str) else None


def _raw_stride(image: Image.Image) -> int | None:
    """Return the bytes of a row of pixels in the file; None if the image is decoded or has no such rows."""
    tile = _first_tile(image)
    return tile.args[1] if tile and isinstance(tile.args, tuple) and len(tile.args) == 3 else None


def _first_tile(image: Image.Image) -> Any:
    """Return how Pillow is going to decode the first part of an image; None if the image is decoded."""
    tiles = getattr(image, "tile", None)
    return tiles[0] if tiles else None


def _numbers(value: object) -> tuple[int, ...]:
    """Return the value of a tag as a tuple: Pillow returns a single number as it is."""
    return value if isinstance(value, tuple) else (value,) if isinstance(value, int) else ()
