"""The first directory of a TIFF (TIFF 6.0, section 2) or BigTIFF, before a decoder reads the values of its tags.

Each tag names a place and a length. A forged file lets many tags refer to the same bytes, or one tag hold millions of
numbers, and a decoder copies all of them.
"""

import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

SIGNATURES = {b"II*\0": "<", b"MM\0*": ">", b"II\0*": "<", b"MM*\0": ">", b"II+\0": "<", b"MM\0+": ">"}
"""The first bytes → the byte order in `struct`. A ``+`` is that of BigTIFF, whose numbers have eight bytes. Two have
the asterisk at the wrong place: they are no TIFF, but Pillow reads them."""
SIZES = {3: 2, 4: 4, 5: 8, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
"""TIFF's number of a type → its size in bytes; the others have one byte."""
INTEGERS = {3: "H", 4: "I", 16: "Q"}
"""TIFF's number of a type of integers → its letter in `struct`."""
MAX_ENTRIES = 65_535
"""Most tags of a directory. BigTIFF allows more."""
MAX_NUMBERS = 1_000_000
"""Most numbers of all tags together. One strip for each row of the largest picture needs fewer."""


@dataclass(frozen=True)
class Entry:
    """One tag of a directory."""

    tag: int
    kind: int
    """TIFF's number of the type of the values."""
    count: int
    """Number of values."""
    size: int
    """Bytes of all values."""
    place: int
    """Where the values begin."""
    is_inline: bool
    """Whether the values are within the entry itself."""
    content: bytes
    """The entry as it is in the file."""


class Directory:
    """The first directory of a TIFF.

    Args:
        content: the bytes of a file that begins with one of `SIGNATURES`.

    Raises:
        struct.error: the file ends before the first entry.
    """

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._order, is_big = SIGNATURES[content[:4]], content[2:4].strip(b"\0") == b"+"
        self._place, self._count, self._entry, self._inline = ("Q", "Q", "HHQ", 8) if is_big else ("I", "H", "HHI", 4)
        self._entry_bytes = struct.calcsize(f"={self._entry}") + self._inline
        self.start: int
        """Where the directory is."""
        (self.start,) = struct.unpack_from(self._order + self._place, content, 8 if is_big else 4)
        if self.start > len(content):
            raise struct.error("the directory is behind the end of the file")
        self.entry_count: int
        """The number of entries that the directory claims to have."""
        (self.entry_count,) = struct.unpack_from(self._order + self._count, content, self.start)

    @property
    def end(self) -> int:
        """Where the directory ends, after the place of the next one. May be behind the end of the file."""
        sizes = struct.calcsize(f"={self._count}"), self._entry_bytes * self.entry_count, self._inline
        return self.start + sum(sizes)

    def entries(self) -> Iterator[Entry]:
        """Yield the entries in the order of the file, not many more than `MAX_ENTRIES`.

        Raises:
            struct.error: the file ends within the directory.
        """
        first = self.start + struct.calcsize(f"={self._count}")
        for number in range(min(self.entry_count, MAX_ENTRIES + 1)):
            position = first + number * self._entry_bytes
            tag, kind, count = struct.unpack_from(self._order + self._entry, self._content, position)
            inline = position + self._entry_bytes - self._inline
            (place,) = struct.unpack_from(self._order + self._place, self._content, inline)
            size = count * SIZES.get(kind, 1)
            is_inline = size <= self._inline
            content = self._content[position : position + self._entry_bytes]
            yield Entry(tag, kind, count, size, inline if is_inline else place, is_inline, content)

    def integers(self, entry: Entry) -> tuple[int, ...]:
        """Return the values of an entry of one of the types `INTEGERS`.

        Raises:
            struct.error: the values are behind the end of the file.
        """
        if entry.place + entry.size > len(self._content):
            raise struct.error("the values are behind the end of the file")
        return struct.unpack_from(f"{self._order}{entry.count}{INTEGERS[entry.kind]}", self._content, entry.place)

    def with_entries(self, entries: list[Entry]) -> bytes:
        """Return the file with a directory of these entries at the same place, and no further directories."""
        # All else stays at its place, because the tags refer to places.
        contents = b"".join(entry.content for entry in entries)
        directory = struct.pack(self._order + self._count, len(entries)) + contents + bytes(self._inline)
        return self._content[: self.start] + directory + self._content[self.start + len(directory) :]


def has_modest_directory(content: bytes) -> bool:
    """Return whether the tags of a TIFF hold no more bytes than the file, and are not too many.

    Args:
        content: the bytes of a file that begins with one of `SIGNATURES`.
    """
    numbers = used = entries = 0
    with suppress(struct.error):  # the directory is incomplete, and the decoder says so
        for entry in Directory(content).entries():
            entries += 1
            numbers += entry.count if entry.kind in SIZES else 0
            used += 0 if entry.is_inline else entry.size
            if used > len(content) or numbers > MAX_NUMBERS or entries > MAX_ENTRIES:
                return False
    return True
