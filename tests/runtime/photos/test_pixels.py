"""Pictures whose pixels are easily misread: opacity without meaning, unusual bit depths, inverted grey."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from runtime.errors import PhotoError
from runtime.photos.open_photo import open_photo

SIDE = 16
COLOUR = (200, 100, 50)


def bmp(alpha: int) -> bytes:
    """Return a BMP of 32 bits with a V4 header and a mask of the opacity."""
    pixels = bytes([*COLOUR[::-1], alpha]) * SIDE**2
    header = struct.pack("<IiiHHIIiiII", 108, SIDE, SIDE, 1, 32, 3, len(pixels), 0, 0, 0, 0)
    header += struct.pack("<4I4s48x", 0xFF0000, 0xFF00, 0xFF, 0xFF000000, b"sRGB")
    return b"BM" + struct.pack("<IHHI", 14 + len(header) + len(pixels), 0, 0, 14 + len(header)) + header + pixels


def tiff(
    pixel: list[float],
    dtype: str,
    photometric: int,
    *,
    bits: int = 8,
    extra: list[int] | None = None,
    sample_format: int | None = None,
    content: bytes = b"",
) -> bytes:
    """Return an uncompressed TIFF in which every pixel is the same."""
    content = content or np.broadcast_to(np.array(pixel, dtype), (SIDE, SIDE, len(pixel))).tobytes()
    tags = {256: [SIDE], 257: [SIDE], 258: [bits] * len(pixel), 259: [1], 262: [photometric], 273: [0],
            277: [len(pixel)], 278: [SIDE], 279: [len(content)], 338: extra,
            339: [sample_format] * len(pixel) if sample_format else None}  # fmt: skip
    present = {tag: values for tag, values in tags.items() if values is not None}
    place = 8 + 2 + 12 * len(present) + 4
    entries, more = b"", b""
    for tag, values in present.items():
        packed = struct.pack(f"<{len(values)}H", *values)
        if len(packed) > 4:
            packed, more = struct.pack("<I", place + len(more)), more + packed
        entries += struct.pack("<HHI4s", tag, 3, len(values), packed.ljust(4, b"\0"))
    entries = entries.replace(struct.pack("<HHI4x", 273, 3, 1), struct.pack("<HHII", 273, 4, 1, place + len(more)))
    return b"II*\0" + struct.pack("<IH", 8, len(present)) + entries + bytes(4) + more + content


def png(bits: int, colour_type: int, row: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    """Return a PNG in which every row is the same."""
    header = struct.pack(">IIBBBBB", SIDE, SIDE, bits, colour_type, 0, 0, 0)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress((b"\0" + row) * SIDE)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in parts
    )


HALF = (227, 177, 152)
"""The colour with an opacity of one half on white."""
TWO_GREYS = struct.pack(">HH", 200 * 257, 50 * 257) * (SIDE // 2)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(bmp(0), COLOUR, id="BMP, opacity unused"),
        pytest.param(bmp(128), HALF, id="BMP, opacity used"),
        pytest.param(tiff([*COLOUR, 0], "u1", 2, extra=[0]), COLOUR, id="TIFF, fourth sample without meaning"),
        pytest.param(tiff([*COLOUR, 0], "u1", 2), COLOUR, id="TIFF, fourth sample not described"),
        pytest.param(tiff([*COLOUR, 0], "u1", 2, extra=[2]), COLOUR, id="TIFF, opacity unused"),
        pytest.param(tiff([*COLOUR, 128], "u1", 2, extra=[2]), HALF, id="TIFF, opacity"),
        pytest.param(tiff([100, 50, 25, 128], "u1", 2, extra=[1]), HALF, id="TIFF, multiplied opacity"),
        pytest.param(tiff([200 * 257, 100 * 257, 50 * 257], "u2", 2, bits=16), COLOUR, id="TIFF, 16 bits"),
        pytest.param(tiff([55], "u1", 0), (200,) * 3, id="TIFF, 0 is white"),
        pytest.param(tiff([55 * 257], "u2", 0, bits=16), (200,) * 3, id="TIFF, 0 is white, 16 bits"),
        pytest.param(tiff([200 * 257], "u2", 1, bits=16), (200,) * 3, id="TIFF, grey, 16 bits"),
        pytest.param(
            tiff([0], "u1", 1, bits=12, content=b"\xc8\x0c\x80" * (SIDE**2 // 2)), (200,) * 3, id="TIFF, grey, 12 bits"
        ),
        pytest.param(tiff([55, 155, 205, 0], "u1", 5), COLOUR, id="TIFF, CMYK"),
        pytest.param(tiff([0.5], "f4", 1, bits=32, sample_format=3), (128,) * 3, id="TIFF, numbers"),
        pytest.param(png(8, 2, bytes(COLOUR) * SIDE), COLOUR, id="PNG"),
        pytest.param(png(16, 0, TWO_GREYS), (200,) * 3, id="PNG, 16 bits"),
        pytest.param(
            png(16, 0, TWO_GREYS, (b"tRNS", struct.pack(">H", 200 * 257))), (255,) * 3, id="PNG, 16 bits, transparent"
        ),
        pytest.param(
            png(4, 0, b"\xc3" * (SIDE // 2), (b"tRNS", struct.pack(">H", 12))),
            (255,) * 3,
            id="PNG, 4 bits, transparent",
        ),
        pytest.param(
            png(4, 0, b"\xc3" * (SIDE // 2), (b"tRNS", struct.pack(">H", 3))), (204,) * 3, id="PNG, 4 bits, opaque"
        ),
    ],
)
def test_pixels_are_read_as_they_are_meant(content: bytes, expected: tuple[int, int, int]) -> None:
    pixel = open_photo(content).getpixel((2, 2))
    assert isinstance(pixel, tuple)
    assert np.abs(np.subtract(pixel, expected)).max() <= 1


@pytest.mark.parametrize(
    "content",
    [
        tiff([100], "i1", 1, sample_format=2),
        tiff([100], "i2", 1, bits=16, sample_format=2),
        tiff([100], "u4", 1, bits=32),
        tiff([100], "i4", 1, bits=32, sample_format=2),
    ],
)
def test_values_without_a_known_white_are_refused(content: bytes) -> None:
    with pytest.raises(PhotoError, match="signed or 32-bit"):
        open_photo(content)


def test_picture_without_a_visible_pixel_is_refused() -> None:
    with pytest.raises(PhotoError, match="transparent"):
        open_photo(png(8, 6, bytes([*COLOUR, 0]) * SIDE))
    array = np.full((4, 4, 4), 128, np.uint8)
    assert open_photo(array).getpixel((0, 0)) == (191, 191, 191)


@pytest.mark.parametrize("orientation", [1, 6])
def test_very_large_picture_is_reduced_in_strips(orientation: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.photos.decoding.rgb.REDUCED_PIXELS", 300 * 200)
    random = np.random.default_rng(0)
    small = random.integers(0, 256, (67, 131, 4), dtype=np.uint8)
    small[..., 3] |= 128
    array = small.repeat(3, axis=0).repeat(3, axis=1)
    exif = Image.Exif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG", exif=exif)
    reduced, whole = (np.asarray(open_photo(buffer.getvalue(), min_side=side)) for side in (64, None))
    assert reduced.shape == ((131, 67, 3) if orientation == 6 else (67, 131, 3))
    assert np.array_equal(reduced, whole[::3, ::3])
