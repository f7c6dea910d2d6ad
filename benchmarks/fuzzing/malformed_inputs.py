"""Malformed photos and model files: damaged ones, each reproducible from its number, and crafted ones."""

import io
import struct
import zlib
from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
from PIL import Image

from runtime.photos.formats import HAS_HEIC

SIDE = 96
"""Pixels of the valid photos."""
EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
"""Values at which lengths, sizes and offsets overflow."""


@cache
def valid_photos() -> tuple[bytes, ...]:
    """Return small valid photos in every supported format, in many of its variants."""
    random = np.random.default_rng(0)
    slope = np.linspace(0, 200, SIDE)[:, None, None] + random.integers(0, 55, (SIDE, SIDE, 3))
    rgb = Image.fromarray(slope.astype(np.uint8))
    rgba = rgb.copy()
    rgba.putalpha(rgb.convert("L"))
    grey16 = Image.fromarray((slope[..., 0] * 257).astype(np.uint16))
    frames = [rgb, rgb.transpose(Image.Transpose.ROTATE_90)]
    exif = Image.Exif()
    exif[0x0112] = 6
    photos: list[tuple[Image.Image, str, dict[str, object]]] = [
        (rgb, "JPEG", {"exif": exif, "quality": 90}),
        (rgb, "JPEG", {"progressive": True, "icc_profile": bytes(200)}),
        (rgb.convert("CMYK"), "JPEG", {}),
        (rgb.convert("L"), "JPEG", {"restart_marker_rows": 1}),
        (rgb, "MPO", {"save_all": True, "append_images": frames[1:]}),
        (rgb, "PNG", {"exif": exif}),
        (rgba, "PNG", {}),
        (rgb.quantize(16), "PNG", {"transparency": 3}),
        (grey16, "PNG", {}),
        (rgb.convert("1"), "PNG", {}),
        (rgb, "WEBP", {"exif": exif}),
        (rgba, "WEBP", {"lossless": True}),
        (rgb, "WEBP", {"save_all": True, "append_images": frames[1:]}),
        (rgb, "GIF", {}),
        (rgb.quantize(16), "GIF", {"save_all": True, "append_images": frames[1:], "transparency": 1}),
        (rgb, "TIFF", {"compression": "raw"}),
        (rgb, "TIFF", {"compression": "tiff_lzw"}),
        (rgb, "TIFF", {"compression": "tiff_deflate"}),
        (rgb, "TIFF", {"compression": "jpeg"}),
        (rgb, "TIFF", {"compression": "packbits"}),
        (grey16, "TIFF", {"compression": "tiff_lzw"}),
        (rgb.convert("1"), "TIFF", {"compression": "group4"}),
        (rgb.convert("CMYK"), "TIFF", {"save_all": True, "append_images": [rgba]}),
        (rgb, "BMP", {}),
        (rgb.quantize(16), "BMP", {}),
        (rgb, "AVIF", {"quality": 60}),
    ]
    encoded = []
    for image, image_format, options in photos:
        file = io.BytesIO()
        image.save(file, image_format, **options)
        encoded.append(file.getvalue())
    if HAS_HEIC:
        encoded.append(_heic(rgb))
    return tuple(encoded)


def _heic(image: Image.Image) -> bytes:
    from pillow_heif import from_pillow

    file = io.BytesIO()
    from_pillow(image).save(file, quality=60)
    return file.getvalue()


def damaged(number: int, valid: Sequence[bytes]) -> bytes:
    """Return input ``number`` of an endless series: one of the ``valid`` files, damaged in one to four ways.

    The same number always gives the same bytes.
    """
    random = np.random.default_rng(number)
    content = bytearray(valid[number % len(valid)])
    for _ in range(int(random.integers(1, 5))):
        damage = DAMAGES[int(random.integers(len(DAMAGES)))]
        damage(content, random, valid)
    return bytes(content)


CRAFTED_PHOTOS: dict[str, Callable[[], bytes]] = {
    "PNG of 50,000 × 50,000": lambda: _png(50_000, 50_000),
    "PNG of 2,147,483,647 × 1": lambda: _png(2**31 - 1, 1),
    "PNG whose comment unpacks to 256 MB": lambda: _png(8, 8, _chunk(b"zTXt", b"c\0\0" + _zeros(256))),
    "PNG whose pixels unpack to 256 MB": lambda: _png(8, 8, data=_zeros(256)),
    "BMP of 40,000 × 40,000": lambda: (
        b"BM" + struct.pack("<IHHIIiiHH", 54, 0, 0, 54, 40, 40_000, 40_000, 1, 24) + bytes(24)
    ),
    "GIF of 65,535 × 65,535": lambda: (
        b"GIF89a" + struct.pack("<HHBBB", 65535, 65535, 0x80, 0, 0) + bytes(6)
        + b"," + struct.pack("<HHHHB", 0, 0, 65535, 65535, 0) + b"\x02\x02\x4c\x01\0;"
    ),
    "TIFF whose directory follows itself": lambda: b"II*\0" + struct.pack("<IHHHIII", 8, 1, 256, 3, 1, 8, 8),
    "JPEG of 5,000 scans": lambda: _many_scans(5000),
    "JPEG of 10,900 × 10,900, a component at a time, in 1,500 empty scans": lambda: _empty_scans(10_900, 1500),
    "TIFF of 16 × 16 in one tile of 20,000 × 20,000": lambda: _large_tile(20_000),
    "TIFF whose tags hold 16 million numbers": lambda: _many_strips(8_000_000),
    "JPEG without end, with 16 million restart markers": lambda: valid_photos()[0][:-2] + b"\xff\xd0" * 16_000_000,
    "JPEG without end, with 8 million empty segments": lambda: valid_photos()[0][:-2] + b"\xff\xe0\0\2" * 8_000_000,
    "JPEG with 8 million empty segments": lambda: (
        valid_photos()[0][:2] + b"\xff\xe0\0\2" * 8_000_000 + valid_photos()[0][2:]
    ),
    "JPEG with 10,000 EXIF tags that share 120 KB": lambda: _shared_exif(10_000, 4),
    "PNG with 2 million empty chunks": lambda: _png(8, 8, _chunk(b"IDAT", b"") * 2_000_000),
    "GIF with a comment in 20 million parts": lambda: (
        b"GIF89a" + struct.pack("<HHBBB", 8, 8, 0, 0, 0) + b"!\xfe" + b"\1a" * 20_000_000 + b"\0"
        + b"," + struct.pack("<HHHHB", 0, 0, 8, 8, 0) + b"\x02\x02\x4c\x01\0;"
    ),
    "WebP with 4 million empty chunks": lambda: (
        b"RIFF" + struct.pack("<I", 32_000_004) + b"WEBP" + b"ALPH\0\0\0\0" * 4_000_000
    ),
    "AVIF with 4 million boxes": lambda: (
        b"\0\0\0\x14ftypavif\0\0\0\0avif" + _boxes(4_000_000)
    ),
    "empty file": lambda: b"",
    "one byte": lambda: b"\xff",
    "one megabyte of zeros": lambda: bytes(1 << 20),
    "text": lambda: b"This is not a picture. " * 1000,
}  # fmt: skip
"""Files crafted to exhaust memory or time, or to confuse a decoder: description → function that returns one."""


def _boxes(count: int) -> bytes:
    """Return empty boxes of AVIF, each of another kind."""
    boxes = np.full((count, 2), 8, ">u4")
    boxes[:, 1] = np.arange(count)
    return boxes.tobytes()


def _shared_exif(tags: int, segments: int) -> bytes:
    """Return a JPEG whose EXIF tags all refer to the same bytes, which are in several segments."""
    size, start = segments * 60_000, 8 + 2 + 12 * tags + 4
    entries = b"".join(struct.pack("<HHII", 0x1000 + number, 7, size - start, start) for number in range(tags))
    block = (b"II*\0" + struct.pack("<IH", 8, tags) + entries).ljust(size, b"\0")
    parts = (b"Exif\0\0" + block[place : place + 60_000] for place in range(0, size, 60_000))
    jpeg = valid_photos()[1]
    return jpeg[:2] + b"".join(struct.pack(">HH", 0xFFE1, len(part) + 2) + part for part in parts) + jpeg[2:]


def _many_scans(count: int) -> bytes:
    """Return a progressive JPEG whose last scan is repeated."""
    jpeg = valid_photos()[1]
    last = jpeg.rindex(b"\xff\xda")
    return jpeg[:last] + jpeg[last:-2] * count + jpeg[-2:]


def _empty_scans(side: int, count: int) -> bytes:
    """Return a large JPEG of scans without data. A decoder may process every pixel once in each scan."""
    jpeg = valid_photos()[0]
    frame = jpeg.index(b"\xff\xc0")
    head = jpeg[: frame + 5] + struct.pack(">HH", side, side) + jpeg[frame + 9 : jpeg.rindex(b"\xff\xda")]
    scans = (b"\xff\xda" + struct.pack(">HBBBBBB", 8, 1, 1 + n % 3, 0x11 * (n % 3 > 0), 0, 63, 0) for n in range(count))
    return head + b"".join(scans) + b"\xff\xd9"


def _many_strips(count: int) -> bytes:
    """Return a TIFF whose places and lengths of strips are ``count`` numbers each."""
    tags = [(256, 4, 1, 64), (257, 4, 1, 64), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (273, 3, count, 200),
            (277, 3, 1, 1), (278, 4, 1, 64), (279, 3, count, 200 + 2 * count)]  # fmt: skip
    head = b"II*\0" + struct.pack("<IH", 8, len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags)
    return head.ljust(200, b"\0") + struct.pack("<H", 8) * count + struct.pack("<H", 64) * count


def _large_tile(side: int) -> bytes:
    """Return a small TIFF whose only tile is large."""
    data = _zeros(side * side // 2**20 + 1)
    # Width, height, bits, compression (deflate), colours, samples, layout; width, height, offset and size of the tile.
    numbers = {256: 16, 257: 16, 258: 8, 259: 8, 262: 1, 277: 1, 284: 1, 322: side, 323: side, 324: 0, 325: len(data)}
    numbers[324] = 8 + 2 + 12 * len(numbers) + 4
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, number) for tag, number in numbers.items())
    return b"II*\0" + struct.pack("<IH", 8, len(numbers)) + entries + bytes(4) + data


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _png(width: int, height: int, more: bytes = b"", data: bytes | None = None) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = _chunk(b"IDAT", zlib.compress(bytes(100)) if data is None else data)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + more + pixels + _chunk(b"IEND", b"")


def _zeros(megabytes: int) -> bytes:
    """Return megabytes of zeros, compressed with deflate in pieces so that they never are in memory at once."""
    packer = zlib.compressobj()
    piece = bytes(1 << 20)
    return b"".join([*(packer.compress(piece) for _ in range(megabytes)), packer.flush()])


Damage = Callable[[bytearray, np.random.Generator, Sequence[bytes]], None]


def _random_position(content: bytearray, random: np.random.Generator) -> int:
    # Half of the positions are in the first 200 bytes, where headers are.
    return int(random.integers(min(200, len(content)) if random.random() < 0.5 else len(content)))


def _flip(content: bytearray, random: np.random.Generator, valid: Sequence[bytes]) -> None:
    for _ in range(int(random.integers(1, 16)) if content else 0):
        content[_random_position(content, random)] ^= 1 << int(random.integers(8))


def _cut(content: bytearray, random: np.random.Generator, valid: Sequence[bytes]) -> None:
    if content:
        del content[_random_position(content, random) :]


def _field(content: bytearray, random: np.random.Generator, valid: Sequence[bytes]) -> None:
    """Overwrite a number of one, two or four bytes with an extreme value."""
    width = int(random.choice([1, 2, 4]))
    value = int(random.choice(EXTREMES)) % 256**width
    if len(content) > width:
        position = min(_random_position(content, random), len(content) - width)
        content[position : position + width] = value.to_bytes(width, "big" if random.random() < 0.5 else "little")


def _remove(content: bytearray, random: np.random.Generator, valid: Sequence[bytes]) -> None:
    if content:
        position = _random_position(content, random)
        del content[position : position + int(random.integers(1, 64))]


def _repeat(content: bytearray, random: np.random.Generator, valid: Sequence[bytes]) -> None:
    if content:
        position = _random_position(content, random)
        piece = content[position : position + int(random.integers(1, 512))]
        content[position:position] = piece * int(random.integers(1, 20))


def _graft(content: bytearray, random: np.random.Generator, valid: Sequence[bytes]) -> None:
    """Overwrite some bytes with a piece of another file."""
    other = valid[int(random.integers(len(valid)))]
    start = int(random.integers(len(other)))
    piece = other[start : start + int(random.integers(1, 256))]
    position = _random_position(content, random) if content else 0
    content[position : position + len(piece)] = piece


DAMAGES: tuple[Damage, ...] = (_flip, _cut, _field, _field, _remove, _repeat, _graft)
