"""Removing the parts of a damaged file that no pixel needs: text, previews and the like.

Pillow gives up on some files whose text or colour profile is damaged or very long, although every pixel is intact and
browsers show them. `without_needless_parts` is used for such a file only; all other files reach Pillow as they are.
"""

import struct
import zlib
from collections.abc import Iterator

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_NEEDED = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"eXIf"})
"""The chunks that pixels and orientation need (W3C, "Portable Network Graphics", third edition)."""
PNG_CRITICAL = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND"})

JPEG_SIGNATURE = b"\xff\xd8\xff"
JPEG_APPLICATION, JPEG_COMMENT, JPEG_START_OF_SCAN = range(0xE0, 0xF0), 0xFE, 0xDA
JPEG_NEEDED = ((0xE1, b"Exif\0\0", 6), (0xEE, b"Adobe", 12))
"""Application segments that pixels and orientation need: marker, first bytes, and smallest length of the content."""

TIFF_SIGNATURES = {b"II*\0": "<", b"MM\0*": ">"}
"""First bytes → byte order of `struct`."""
TIFF_NEEDED = frozenset({254, 255, 256, 257, 258, 259, 262, 266, 273, 274, 277, 278, 279, 282, 283, 284, 292, 293, 296,
                         301, 317, 318, 319, 320, 321, 322, 323, 324, 325, 332, 333, 336, 338, 339, 340, 341, 347,
                         *range(512, 522), 529, 530, 531, 532})  # fmt: skip
"""The tags of TIFF 6.0 about pixels and orientation. The others are descriptions, dates, profiles, other software's."""
MAX_TIFF_TAGS = 1000


def without_needless_parts(content: bytes) -> bytes | None:
    """Return the file without the parts that no pixel needs, or None if there are none or the format has none.

    Args:
        content: of a PNG, JPEG or TIFF file.
    """
    if content.startswith(PNG_SIGNATURE):
        parts = [PNG_SIGNATURE, *_png_chunks(content)]
    elif content.startswith(JPEG_SIGNATURE):
        parts = [content[:2], *_jpeg_segments(content)]
    elif content[:4] in TIFF_SIGNATURES:
        parts = list(_tiff_parts(content, TIFF_SIGNATURES[content[:4]]))
    else:
        return None
    kept = b"".join(parts)
    return kept if kept != content else None


def _png_chunks(content: bytes) -> Iterator[bytes]:
    """Yield the needed chunks: length (4 bytes), type (4), data, CRC (4)."""
    position = len(PNG_SIGNATURE)
    while position + 8 <= len(content):
        length, kind = struct.unpack_from(">I4s", content, position)
        chunk = content[position : position + 12 + length]
        intact = len(chunk) == 12 + length and zlib.crc32(chunk[4:-4]) == int.from_bytes(chunk[-4:], "big")
        # A damaged chunk that is critical stays, and Pillow reports it.
        if kind in PNG_CRITICAL or (kind in PNG_NEEDED and intact):
            yield chunk
        position += 12 + length
        if kind == b"IEND":
            return


def _jpeg_segments(content: bytes) -> Iterator[bytes]:
    """Yield the needed segments before the first scan, and then the rest of the file."""
    position = 2
    while position + 4 <= len(content) and content[position] == 0xFF:
        marker, length = content[position + 1], int.from_bytes(content[position + 2 : position + 4], "big")
        if marker == JPEG_START_OF_SCAN or length < 2:
            break
        segment = content[position : position + 2 + length]
        needed = any(
            marker == needed_marker and segment[4:].startswith(beginning) and len(segment) >= 4 + shortest
            for needed_marker, beginning, shortest in JPEG_NEEDED
        )
        if needed or (marker not in JPEG_APPLICATION and marker != JPEG_COMMENT):
            yield segment
        position += 2 + length
    yield content[position:]


def _tiff_parts(content: bytes, order: str) -> Iterator[bytes]:
    """Yield the file with every needless entry of the first directory replaced by one byte inside the entry.

    An entry has tag (2 bytes), type (2), number of values (4), and the value or its place in the file (4).
    """
    (start,) = struct.unpack_from(order + "I", content, 4) if len(content) >= 8 else (len(content),)
    count = struct.unpack_from(order + "H", content, start)[0] if start + 2 <= len(content) else 0
    position = min(start + 2, len(content))
    yield content[:position]
    for _ in range(min(count, MAX_TIFF_TAGS)):
        entry = content[position : position + 12]
        if len(entry) < 12:
            break
        (tag,) = struct.unpack_from(order + "H", entry)
        yield entry if tag in TIFF_NEEDED else struct.pack(order + "HHI4x", tag, 1, 1)
        position += 12
    yield content[position:]
