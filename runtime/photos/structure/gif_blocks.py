"""The blocks of a GIF (GIF89a specification, CompuServe, 1990)."""

from collections.abc import Iterator
from itertools import islice

PICTURE, EXTENSION, TRAILER = ord(","), ord("!"), ord(";")
"""The bytes that introduce a block."""
MAX_BLOCKS = 1_000_000
"""Most parts that are read. A part has up to 255 bytes, so the largest file that is accepted has a quarter of them."""


def find_blocks(content: bytes) -> Iterator[int]:
    """Yield the introducer of each block, and again for each part of its data, up to `TRAILER` or the end of the bytes.

    After `MAX_BLOCKS`, no more follow.

    Args:
        content: of a GIF file.
    """
    return islice(_find_all_blocks(content), MAX_BLOCKS)


def _find_all_blocks(content: bytes) -> Iterator[int]:
    try:
        position = 13 + _color_table_bytes(content[10])
        while True:
            introducer = content[position]
            yield introducer
            if introducer == TRAILER:
                return
            # A picture: its place, perhaps a colour table, the size of the codes. An extension: its kind.
            position += 11 + _color_table_bytes(content[position + 9]) if introducer == PICTURE else 2
            while length := content[position]:
                yield introducer
                position += 1 + length
            position += 1
    except IndexError:
        return


def _color_table_bytes(flags: int) -> int:
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0
