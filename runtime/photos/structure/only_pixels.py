"""Files without the parts that no pixel needs: comments, colour profiles, thumbnails, unknown tags.

A decoder may stop at such a part when it is damaged, or large, or of a kind that it does not expect. The orientation is
kept where it can be read.
"""

import struct
from collections.abc import Callable, Iterator

from runtime.photos.structure.exif_block import APPLICATION_1, HEAD, exif_of_jpeg, is_modest
from runtime.photos.structure.jpeg_markers import START as JPEG_START
from runtime.photos.structure.jpeg_markers import segments_before_scan
from runtime.photos.structure.png_chunks import SIGNATURE as PNG_SIGNATURE
from runtime.photos.structure.png_chunks import find_chunks
from runtime.photos.structure.tiff_directory import SIGNATURES as TIFF_SIGNATURES
from runtime.photos.structure.tiff_directory import Directory

PNG_CHUNKS = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})
WEBP_CHUNKS = frozenset({b"VP8X", b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF"})
MAX_CHUNKS = 10_000
"""Most chunks of a WebP that are read."""
TIFF_TAGS = frozenset(
    {256, 257, 258, 259, 262, 266, 273, 274, 277, 278, 279, 284, 292, 293, 317, 320, 322, 323, 324, 325, 332, 338, 339,
     347, 512, 513, 514, 515, 517, 518, 519, 520, 521, 529, 530, 531, 532}
)  # fmt: skip
"""The tags that say where the pixels are, how they are compressed, what they mean, and which side is up."""


def only_pixels(content: bytes) -> bytes | None:
    """Return a photo without the parts that no pixel needs; None if the format is unknown or all parts are needed.

    Args:
        content: the bytes of a file that does not end early.
    """
    for signature, reduce in _REDUCTIONS:
        if content.startswith(signature):
            try:
                reduced = reduce(content)
            except struct.error:
                return None
            return None if reduced == content else reduced
    return None


def _png(content: bytes) -> bytes:
    needed = (
        chunk
        for chunk in find_chunks(content)
        if chunk.kind in PNG_CHUNKS or (chunk.kind == b"eXIf" and chunk.is_intact(content))
    )
    return PNG_SIGNATURE + b"".join(content[chunk.start : chunk.end] for chunk in needed)


def _jpeg(content: bytes) -> bytes:
    parts, copied = [content[:2]], 2
    keeps_exif = is_modest(exif_of_jpeg(content))
    for marker, start, end in segments_before_scan(content):
        if marker == 0xFE or (0xE0 <= marker <= 0xEF and not _is_needed(marker, content[start:end], keeps_exif)):
            parts.append(content[copied : start - 4])  # without the marker and the length
            copied = end
    return b"".join([*parts, content[copied:]])


def _is_needed(marker: int, segment: bytes, keeps_exif: bool) -> bool:
    """Return whether an application's segment of a JPEG says what the components are, or which side is up."""
    jfif = marker == 0xE0 and segment.startswith(b"JFIF\0") and len(segment) >= 14
    adobe = marker == 0xEE and segment.startswith(b"Adobe") and len(segment) >= 12
    return jfif or adobe or (keeps_exif and marker == APPLICATION_1 and segment.startswith(HEAD))


def _webp(content: bytes) -> bytes:
    body = b"WEBP" + b"".join(_webp_chunks(content))
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _webp_chunks(content: bytes) -> Iterator[bytes]:
    position = 12
    for _ in range(MAX_CHUNKS):
        if position + 8 > len(content):
            return
        kind, length = struct.unpack_from("<4sI", content, position)
        end = position + 8 + length + length % 2
        chunk = content[position:end]
        if kind == b"VP8X":  # the flags say which chunks there are; 0x12 keeps transparency and animation
            yield chunk[:8] + bytes([chunk[8] & 0x12 if len(chunk) > 8 else 0]) + chunk[9:]
        elif kind in WEBP_CHUNKS:
            yield chunk
        position = end
    raise struct.error("more chunks than any picture has")


def _tiff(content: bytes) -> bytes:
    directory = Directory(content)
    return directory.with_entries([entry for entry in directory.entries() if entry.tag in TIFF_TAGS])


_REDUCTIONS: tuple[tuple[bytes, Callable[[bytes], bytes]], ...] = (
    (PNG_SIGNATURE, _png),
    (JPEG_START, _jpeg),
    (b"RIFF", _webp),
    *((signature, _tiff) for signature in TIFF_SIGNATURES),
)
"""The first bytes of a format, and the function that reduces a file of it."""
