"""The first directory of a TIFF, before a decoder reads the values of its tags.

Each tag names a place and a length. A forged file lets many tags refer to the same bytes, or one tag hold millions of
numbers, and a decoder copies all of them.
"""

import struct

SIGNATURES = {b"II*\0": "<", b"MM\0*": ">", b"II+\0": "<", b"MM\0+": ">"}
"""The first bytes → the byte order in `struct`. A ``+`` is that of BigTIFF, whose numbers have eight bytes."""
SIZES = {3: 2, 4: 4, 5: 8, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
"""TIFF's number of a type → its size in bytes; the others have one byte."""
MAX_NUMBERS = 1_000_000
"""Most numbers of all tags together. One strip for each row of the largest picture needs fewer."""


def has_modest_directory(content: bytes) -> bool:
    """Return whether the tags of a TIFF hold no more bytes than the file, and at most `MAX_NUMBERS` numbers.

    Args:
        content: the bytes of a file that begins with one of `SIGNATURES`.
    """
    order, is_big = SIGNATURES[content[:4]], content[2:4].strip(b"\0") == b"+"
    place, count, entry, inline = ("Q", "Q", "HHQ", 8) if is_big else ("I", "H", "HHI", 4)
    entry_bytes = struct.calcsize(f"={entry}") + inline
    try:
        (directory,) = struct.unpack_from(order + place, content, 8 if is_big else 4)
        (entries,) = struct.unpack_from(order + count, content, directory)
        first = directory + struct.calcsize(f"={count}")
        numbers = used = 0
        for position in range(first, min(first + entry_bytes * entries, len(content) - entry_bytes), entry_bytes):
            _, kind, values = struct.unpack_from(order + entry, content, position)
            size = values * SIZES.get(kind, 1)
            numbers += values if kind in SIZES else 0
            used += size if size > inline else 0
    except (struct.error, OverflowError):
        return True  # there is no directory, and the decoder says so
    return used <= len(content) and numbers <= MAX_NUMBERS
