"""The chunks of a PNG (ISO/IEC 15948, clause 5)."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_CHUNKS = 100_000
"""Most chunks that are read. The largest PNG that is accepted has about 10,000, of 8 KB each."""


@dataclass(frozen=True)
class Chunk:
    """One chunk of a PNG: its place in the file, from its length to the end of its checksum."""

    kind: bytes
    """Four letters, for example ``IDAT``."""
    start: int
    end: int
    """May be behind the end of the file."""

    def is_intact(self, content: bytes) -> bool:
        """Return whether the chunk is complete and its checksum is right."""
        if self.end > len(content):
            return False
        data = memoryview(content)[self.start + 4 : self.end - 4]
        return zlib.crc32(data) == int.from_bytes(content[self.end - 4 : self.end], "big")


def find_chunks(content: bytes) -> Iterator[Chunk]:
    """Yield the chunks of a PNG file, up to the one that ends it or to the end of the bytes.

    After `MAX_CHUNKS`, no more follow.
    """
    position = len(SIGNATURE)
    for _ in range(MAX_CHUNKS):
        if position + 8 > len(content):
            return
        end = position + 12 + int.from_bytes(content[position : position + 4], "big")
        chunk = Chunk(content[position + 4 : position + 8], position, end)
        yield chunk
        if chunk.kind == b"IEND":
            return
        position = end


def has_intact_pixels(content: bytes) -> bool:
    """Return whether the checksums of all complete chunks of pixels are right. Pillow does not look at them."""
    return all(
        chunk.is_intact(content)
        for chunk in find_chunks(content)
        if chunk.kind == b"IDAT" and chunk.end <= len(content)
    )
