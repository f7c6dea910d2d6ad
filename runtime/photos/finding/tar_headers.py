"""The format of tar files: where the regular files in one begin.

The formats are those of POSIX.1-2017 (``ustar`` and ``pax``) and of GNU tar (its manual, "Basic Tar Format").
Python's `tarfile` is not used, because it reads extended headers of any length into memory and keeps all members.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from runtime.errors import DamagedPhotoError, PhotoError, TruncatedPhotoError

BLOCK_BYTES = 512
"""A header, and the unit of the data that follows it."""
MAX_NAME = 32_768
"""Longest name of a member, characters. Systems have at most 4,096 bytes."""
MAX_HEADER_BYTES = 1024**2
"""Largest extended header that is read. It holds a name, and what macOS knows about a file."""
MAX_DIGITS = 20
"""Most digits of a number in an extended header. A 64-bit number has no more."""

REGULAR = (b"0", b"\0", b"7")
WITHOUT_DATA = (b"1", b"2", b"3", b"4", b"5", b"6")
"""Links, devices, folders and pipes. Their size means nothing."""
PAX, GNU_NAME, GNU_SPARSE = (b"x", b"X"), b"L", b"S"
SKIPPED_HEADERS = (b"g", b"K")
"""Values for all members, which no name or size is among, and the target of a link."""
SPARSE_KEY = b"GNU.sparse."
NAME, SIZE, CHECKSUM, KIND, MAGIC, PREFIX = (
    slice(0, 100), slice(124, 136), slice(148, 156), slice(156, 157), slice(257, 263), slice(345, 500),
)  # fmt: skip
IS_EXTENDED, IS_EXTENDED_AGAIN = 482, 504
"""Place of the byte that says whether a block of the map of a sparse file follows: in its header, in such a block."""


@dataclass(frozen=True, slots=True)
class TarMember:
    """A regular file in a tar file."""

    name: str
    """As it stands there: it may be absolute, contain ``..``, or any character."""
    offset: int
    """Where its bytes begin in the tar file."""
    size: int
    """Bytes."""


def regular_members(file: BinaryIO, length: int, shown: str) -> Iterator[TarMember]:
    """Yield the regular files in a tar file, in its order. Sparse files and links are left out.

    Args:
        file: can be sought. Only headers are read.
        length: of the file, in bytes.
        shown: name of the tar file, for messages.

    Raises:
        TruncatedPhotoError: the file ends before the tar file does, which a block of zeros ends.
        DamagedPhotoError: a header is not valid.
        PhotoError: the first header is not valid, so this is no tar file.
    """
    position, values = 0, dict[bytes, bytes]()
    while True:
        header = _read(file, position, BLOCK_BYTES)
        if len(header) < BLOCK_BYTES and (position or not header):
            raise _ends_early(shown)
        if len(header) == BLOCK_BYTES and not any(header):
            return
        size = _number(header[SIZE])
        if not _has_checksum(header) or size is None:
            raise _damaged(shown, position) if position else PhotoError(f"{shown}: not a tar file")
        kind, data = header[KIND], position + BLOCK_BYTES
        if kind in PAX or kind == GNU_NAME:
            if size > MAX_HEADER_BYTES:
                raise DamagedPhotoError(f"{shown}: damaged tar file (the header at byte {position:,} is too large)")
            content = _read(file, data, size)
            if len(content) < size:
                raise _ends_early(shown)
            records = {b"path": content} if kind == GNU_NAME else _pax_records(content)
            if records is None:
                raise _damaged(shown, position)
            values |= records
        elif kind not in SKIPPED_HEADERS:
            name = _text(values.get(b"path") or _name(header))
            if len(name) > MAX_NAME:
                raise DamagedPhotoError(f"{shown}: damaged tar file (the name at byte {position:,} is too long)")
            if b"size" in values:
                size = int(values[b"size"])
            if kind in WITHOUT_DATA or (kind == b"\0" and name.endswith("/")):
                size = 0
            elif kind == GNU_SPARSE:
                data = _end_of_sparse_map(file, data, header)
            elif kind in REGULAR and SPARSE_KEY not in values and data + size <= length:
                yield TarMember(name, data, size)
            values = {}
        if data + size > length:
            raise _ends_early(shown)
        position = data + -(-size // BLOCK_BYTES) * BLOCK_BYTES


def _read(file: BinaryIO, position: int, size: int) -> bytes:
    file.seek(position)
    return file.read(size)


def _has_checksum(header: bytes) -> bool:
    """Return whether a header is whole and has its own sum. Old programs added the bytes as signed numbers."""
    if len(header) < BLOCK_BYTES:
        return False
    blank = header[: CHECKSUM.start] + b" " * 8 + header[CHECKSUM.stop :]
    expected, unsigned = _number(header[CHECKSUM]), sum(blank)
    return expected == unsigned or expected == unsigned - 256 * sum(byte > 127 for byte in blank)


def _number(field: bytes) -> int | None:
    """Return the number in a field of a header: octal digits, or 0x80 and a binary number; None if it is not valid."""
    if field[:1] == b"\x80":
        return int.from_bytes(field[1:], "big")
    digits = field.partition(b"\0")[0].strip(b" ")
    return None if digits.strip(b"01234567") else int(digits or b"0", 8)


def _name(header: bytes) -> bytes:
    name, prefix = (field.partition(b"\0")[0] for field in (header[NAME], header[PREFIX]))
    return prefix + b"/" + name if prefix and header[MAGIC] == b"ustar\0" else name


def _text(name: bytes) -> str:
    return name.partition(b"\0")[0].decode("utf-8", "surrogateescape")


def _pax_records(content: bytes) -> dict[bytes, bytes] | None:
    """Return the values for ``path`` and ``size`` and whether there is a `SPARSE_KEY`; None if a record is not valid.

    A record is ``LENGTH KEY=VALUE`` and a line end, where the length is that of the whole record in decimal digits.
    """
    records: dict[bytes, bytes] = {}
    start = 0
    while start < len(content):
        digits = content[start : start + MAX_DIGITS].partition(b" ")[0]
        if not digits.isdigit():
            return None
        end = start + int(digits)
        key, equals, value = content[start + len(digits) + 1 : end].partition(b"=")
        if not equals or end > len(content) or not value.endswith(b"\n"):
            return None
        value = value[:-1]
        if key.startswith(SPARSE_KEY):
            records[SPARSE_KEY] = value
        elif key == b"path":
            records[key] = value
        elif key == b"size":
            if not value.isdigit() or len(value) > MAX_DIGITS:
                return None
            records[key] = value
        start = end
    return records


def _end_of_sparse_map(file: BinaryIO, data: int, header: bytes) -> int:
    """Return where the data of a sparse file begin, after the blocks that continue its map."""
    is_extended = header[IS_EXTENDED]
    while is_extended:
        block = _read(file, data, BLOCK_BYTES)
        data += BLOCK_BYTES
        is_extended = len(block) == BLOCK_BYTES and block[IS_EXTENDED_AGAIN]
    return data


def _ends_early(shown: str) -> TruncatedPhotoError:
    return TruncatedPhotoError(f"{shown}: the tar file ends early; copy it again")


def _damaged(shown: str, position: int) -> DamagedPhotoError:
    return DamagedPhotoError(f"{shown}: damaged tar file (the header at byte {position:,} is not valid)")
