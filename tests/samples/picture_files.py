"""Writers of TIFF, BMP and PNG files in variants that Pillow cannot write, from pixels as bytes."""

import struct
import zlib
from collections.abc import Mapping, Sequence

import numpy as np


def packed(values: np.ndarray, bits: int) -> bytes:
    """Return grey values as rows of ``bits`` each, each row beginning with a new byte.

    Args:
        values: integers, shape (height, width).
        bits: 1 to 16, the most significant bit first.
    """
    as_bits = np.unpackbits(values.astype(">u2").view(np.uint8).reshape(*values.shape, 2), axis=-1)[..., 16 - bits :]
    return np.packbits(as_bits.reshape(len(values), -1), axis=1).tobytes()


def tiff(size: tuple[int, int], planes: Sequence[bytes], tags: Mapping[int, Sequence[int]], order: str = "<") -> bytes:
    """Return an uncompressed TIFF with one strip for each of ``planes``.

    Args:
        size: width and height, pixels.
        planes: the pixels.
        tags: all tags but those of size, compression and place of the strips, with 16-bit values.
        order: ``<`` for the little-endian form, ``>`` for the big-endian one.
    """
    height = [size[1]]
    full = {256: [size[0]], 257: height, 259: [1], 278: height, **tags, 273: [0] * len(planes), 279: map(len, planes)}
    values = {tag: list(numbers) for tag, numbers in sorted(full.items())}
    # All numbers are written with 32 bits, but short ones with 16, as readers expect them.
    kinds = {tag: ("I", 4) if tag in (273, 279) else ("H", 3) for tag in values}
    places, end = {}, 8 + 2 + 12 * len(values) + 4
    for tag, numbers in values.items():
        length = struct.calcsize(kinds[tag][0]) * len(numbers)
        if length > 4:
            places[tag] = end
            end += length
    values[273] = [end + sum(map(len, planes[:index])) for index in range(len(planes))]
    entries, behind = b"", b""
    for tag, numbers in values.items():
        letter, kind = kinds[tag]
        data = struct.pack(f"{order}{len(numbers)}{letter}", *numbers)
        entries += struct.pack(f"{order}HHI", tag, kind, len(numbers))
        entries += struct.pack(f"{order}I", places[tag]) if tag in places else data.ljust(4, b"\0")
        behind += data if tag in places else b""
    start = b"II*\0" if order == "<" else b"MM\0*"
    return start + struct.pack(f"{order}IH", 8, len(values)) + entries + bytes(4) + behind + b"".join(planes)


def bmp(
    size: tuple[int, int],
    rows: Sequence[bytes],
    bits: int,
    *,
    header: int = 40,
    masks: Sequence[int] = (),
    palette: bytes = b"",
    colours: int = 0,
) -> bytes:
    """Return a BMP.

    Args:
        size: width and height, pixels.
        rows: the pixels, from the top.
        bits: of a pixel.
        header: bytes of the header: 40, or 108 for version 4.
        masks: which bits are red, green, blue and alpha; none for the usual ones.
        palette: four bytes for each colour.
        colours: number of colours in the palette; 0 for all.
    """
    data = b"".join(row.ljust((size[0] * bits + 31) // 32 * 4, b"\0") for row in reversed(rows))
    fields = struct.pack("<IiiHHIIiiII", header, *size, 1, bits, 3 if masks else 0, len(data), 2835, 2835, colours, 0)
    fields = (fields + struct.pack(f"<{len(masks)}I", *masks)).ljust(header, b"\0") + palette
    return b"BM" + struct.pack("<IHHI", 14 + len(fields) + len(data), 0, 0, 14 + len(fields)) + fields + data


def png_chunk(kind: bytes, data: bytes, checksum: int | None = None) -> bytes:
    """Return a chunk of a PNG, with its right checksum unless another one is given."""
    right = zlib.crc32(kind + data)
    return struct.pack(">I4s", len(data), kind) + data + struct.pack(">I", right if checksum is None else checksum)


def png(size: tuple[int, int], rows: Sequence[bytes], bits: int, colour_type: int, *chunks: bytes) -> bytes:
    """Return a PNG.

    Args:
        size: width and height, pixels.
        rows: the pixels, from the top.
        bits: of a sample.
        colour_type: 0 grey, 2 RGB, 3 palette, 4 grey with alpha, 6 RGB with alpha.
        chunks: those between the header and the pixels.
    """
    header = struct.pack(">IIBBBBB", *size, bits, colour_type, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    parts = (png_chunk(b"IHDR", header), *chunks, png_chunk(b"IDAT", pixels), png_chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)
