"""Pictures of known pixels, in the less usual forms of each format, open with these pixels or are refused."""

import contextlib
import io
import struct

import numpy as np
import pytest
from PIL import Image

from runtime.errors import PhotoError
from runtime.photos.open_photo import open_photo
from tests.runtime.photos.test_open_photo import BLUE, RED, encoded
from tests.samples.picture_files import bmp, packed, png, png_chunk, tiff

SIZE = (16, 8)
GREY = np.tile(np.linspace(0, 1, SIZE[0]), (SIZE[1], 1))
"""From black to white, 0 to 1."""
RGB = np.stack([GREY, 1 - GREY, np.full_like(GREY, 0.2)], axis=-1)
WHITE = np.ones_like(GREY)
MASKS = (0xFF0000, 0xFF00, 0xFF, 0xFF000000)


def levels(values: np.ndarray, bits: int, kind: str) -> np.ndarray:
    """Return values of 0 to 1 as integers of ``bits``."""
    return np.asarray((values * (2**bits - 1)).round(), dtype=kind)


def grey_tiff(values: np.ndarray, bits: int, kind: str = "<u2", photometric: int = 1, sample_format: int = 1) -> bytes:
    data = packed(levels(values, bits, "u2"), bits) if bits in (1, 2, 4, 12) else levels(values, bits, kind).tobytes()
    tags = {258: [bits], 262: [photometric], 277: [1], 339: [sample_format]}
    return tiff(SIZE, [data], tags, kind[0] if kind[0] in "<>" else "<")


def rgba_tiff(alpha: float, extra: int | None, bits: int = 8) -> bytes:
    samples = np.dstack([RGB * alpha if extra == 1 else RGB, WHITE * alpha])
    tags = {258: [bits] * 4, 262: [2], 277: [4]} | ({} if extra is None else {338: [extra]})
    return tiff(SIZE, [levels(samples, bits, f"<u{bits // 8}").tobytes()], tags)


def rgba_bmp(alpha: float, header: int = 108, masks: tuple[int, ...] = MASKS) -> bytes:
    samples = levels(np.dstack([RGB[..., ::-1], WHITE * alpha]), 8, "u1")
    return bmp(SIZE, [row.tobytes() for row in samples], 32, header=header, masks=masks)


def grey_png(bits: int, transparent: int) -> bytes:
    values = levels(GREY, bits, ">u2")
    rows = [packed(values[index : index + 1], bits) for index in range(SIZE[1])]
    return png(SIZE, rows, bits, 0, png_chunk(b"tRNS", struct.pack(">H", transparent)))


def la_tiff() -> bytes:
    samples = levels(np.stack([GREY * 0.5, WHITE * 0.5], axis=-1), 8, "u1")
    return tiff(SIZE, [samples.tobytes()], {258: [8, 8], 262: [1], 277: [2], 338: [1]})


def palette_tiff(largest: int) -> bytes:
    palette = [value * largest // 255 for value in (*range(256), *range(255, -1, -1), *[51] * 256)]
    return tiff(SIZE, [levels(GREY, 8, "u1").tobytes()], {258: [8], 262: [3], 277: [1], 320: palette})


def planar_tiff(bits: int) -> bytes:
    planes = [levels(RGB[..., index], bits, f"<u{bits // 8}").tobytes() for index in range(3)]
    return tiff(SIZE, planes, {258: [bits] * 3, 262: [2], 277: [3], 284: [2]})


def rgb16_png() -> bytes:
    values = levels(RGB, 16, ">u2")
    key = png_chunk(b"tRNS", values[0, 5].tobytes())
    return png(SIZE, [row.tobytes() for row in values], 16, 2, key)


def on_white(values: np.ndarray, alpha: float) -> np.ndarray:
    return values * alpha + 1 - alpha


RGB_WITH_HOLE = np.where(np.arange(SIZE[0])[:, None] == 5, 1.0, RGB)
GREY_WITH_HOLE = np.where(np.arange(SIZE[0]) == 5, 1.0, GREY)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        *((grey_tiff(GREY, n, f"<u{max(n // 8, 1)}"), levels(GREY, n, "u4") / (2**n - 1)) for n in (1, 2, 4, 8, 12)),
        *((grey_tiff(GREY, n, f"<u{n // 8}"), GREY) for n in (16, 32)),
        (grey_tiff(GREY, 16, ">u2"), GREY),
        *((grey_tiff(1 - GREY, n, f"<u{max(1, n // 8)}", photometric=0), GREY) for n in (4, 8, 16)),
        (tiff(SIZE, [GREY.astype("<f4").tobytes()], {258: [32], 262: [1], 277: [1], 339: [3]}), GREY),
        (rgba_tiff(0, extra=0), RGB),
        (rgba_tiff(0, extra=None), RGB),
        (rgba_tiff(0, extra=None, bits=16), RGB),
        (rgba_tiff(0.5, extra=1), on_white(RGB, 0.5)),
        (rgba_tiff(0.5, extra=2), on_white(RGB, 0.5)),
        (rgba_tiff(0.5, extra=2, bits=16), on_white(RGB, 0.5)),
        (palette_tiff(65535), RGB),
        (palette_tiff(255), RGB),
        (planar_tiff(8), RGB),
        (rgba_bmp(0), RGB),
        (rgba_bmp(0, masks=(0, 0, 0, 0)), RGB),
        (rgba_bmp(0, header=124), RGB),
        (rgba_bmp(1), RGB),
        (rgba_bmp(0.5), on_white(RGB, 0.5)),
        (rgba_bmp(0, header=40, masks=()), RGB),
        (rgba_bmp(0.5, header=40, masks=()), RGB),
        (grey_png(2, 1), np.where(levels(GREY, 2, "u1") == 1, 1.0, levels(GREY, 2, "u1") / 3)),
        (grey_png(4, 5), GREY_WITH_HOLE),
        (grey_png(8, 85), GREY_WITH_HOLE),
        (grey_png(16, 21845), GREY_WITH_HOLE),
        (rgb16_png(), RGB_WITH_HOLE),
    ],
)  # fmt: skip
def test_pixels_are_those_of_the_file(content: bytes, expected: np.ndarray) -> None:
    pixels = np.asarray(open_photo(content)) / 255
    wanted = expected if expected.ndim == 3 else expected[..., None].repeat(3, axis=-1)
    assert np.abs(pixels - wanted).max() < 0.02


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (grey_tiff(GREY, 16, "<u2", sample_format=2), "signed numbers"),
        (grey_tiff(GREY, 8, "<u1", sample_format=2), "signed numbers"),
        (tiff(SIZE, [GREY.astype("<f4").tobytes()], {258: [32], 262: [0], 277: [1], 339: [3]}), "decimal numbers"),
        (tiff(SIZE, [GREY.astype("<f8").tobytes()], {258: [64], 262: [1], 277: [1], 339: [3]}), "rare kind"),
        (grey_tiff(1 - GREY, 12, photometric=0), "rare kind"),
        (planar_tiff(16), "separate planes"),
        (bmp(SIZE, [bytes(range(2)) * 8] * 8, 8, palette=b"\0\0\0\0\xff\xff\xff\0", colours=2), "BMP of two colours"),
        *((encoded(Image.new("RGBA", SIZE, (9, 9, 9, 0)), form), "transparent") for form in ("PNG", "WEBP", "TIFF")),
        (encoded(Image.new("P", SIZE), "GIF", transparency=0), "transparent"),
    ],
)
def test_pixels_that_would_be_misread_are_refused(content: bytes, words: str) -> None:
    with pytest.raises(PhotoError, match=words):
        open_photo(content)


def test_grey_that_is_multiplied_by_its_opacity() -> None:
    with contextlib.suppress(PhotoError):  # Pillow 11 cannot read it
        assert np.abs(np.asarray(open_photo(la_tiff()))[..., 0] / 255 - on_white(GREY, 0.5)).max() < 0.02


def test_grey_image_beyond_sixteen_bits_is_refused() -> None:
    assert np.asarray(open_photo(Image.fromarray(np.full((4, 4), 65535, np.int32)))).min() == 255
    with pytest.raises(PhotoError, match="grey values above 65535"):
        open_photo(Image.fromarray(np.full((4, 4), 70_000, np.int32)))


def test_a_first_frame_that_is_smaller_than_its_gif_lies_on_white() -> None:
    frame = Image.new("P", (8, 4), 1)
    frame.putpalette([*RED, *BLUE])
    content = bytearray(encoded(frame, "GIF", optimize=False))
    struct.pack_into("<HH", content, 6, *SIZE)
    struct.pack_into("<HH", content, content.rindex(b"," + struct.pack("<HHHH", 0, 0, 8, 4)) + 1, 4, 2)
    expected = np.full((SIZE[1], SIZE[0], 3), 255)
    expected[2:6, 4:12] = BLUE
    assert np.array_equal(np.asarray(open_photo(bytes(content))), expected)


@pytest.mark.parametrize("form", ["PNG", "WEBP", "TIFF", "AVIF"])
def test_orientation_is_applied_once_in_every_format(form: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    image = Image.new("RGB", (64, 32), BLUE)
    image.paste(RED, (0, 0, 32, 32))
    opened = np.asarray(open_photo(encoded(image, form, exif=exif))).astype(int)
    assert opened.shape == (64, 32, 3)
    assert np.abs(opened[4:28] - RED).max() < 30
    assert np.abs(opened[36:] - BLUE).max() < 30


def test_a_file_that_the_caller_opened_is_read_alike() -> None:
    content = grey_tiff(1 - GREY, 16, "<u2", photometric=0)
    image = Image.open(io.BytesIO(content))
    assert np.array_equal(np.asarray(open_photo(image)), np.asarray(open_photo(content)))
