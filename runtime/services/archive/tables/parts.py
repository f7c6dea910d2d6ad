"""The parts of a table as files of a folder: ``part-000000.parquet``, ``part-000001.parquet``, …."""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from runtime.errors import FlowerError
from runtime.files.atomic import flush_folder, remove_leftovers, write_bytes
from runtime.services.archive.tables.row_values import MAX_PART_BYTES

HIDDEN = (".", "_")
"""How the names begin that readers of such folders leave out, as do we: ``.DS_Store``, ``_SUCCESS``."""


class Parts(Protocol):
    """The parts of one table, each a file."""

    def numbers(self) -> list[int]:
        """Return the numbers of the parts that there are, in ascending order.

        Raises:
            FlowerError: no folder is at this place, or it has other files.
        """
        ...

    def place(self, number: int) -> str:
        """Return the path of a part for messages."""
        ...

    def read(self, number: int) -> bytes | None:
        """Return the content of a part, or None if it is absent.

        Raises:
            FlowerError: it is larger than any part.
        """
        ...

    def write(self, number: int, content: bytes) -> None:
        """Write a part. It has the old content or the new one, also after a crash.

        Raises:
            FlowerError: the content is too large to be read again.
        """
        ...

    def delete(self, number: int) -> None:
        """Delete a part."""
        ...

    def remove_leftovers(self) -> None:
        """Delete what killed writers left."""
        ...


@dataclass(frozen=True)
class LocalParts:
    """Parts in a folder of this machine. See `Parts`."""

    folder: Path
    suffix: str
    """Of their names, with the dot."""

    def numbers(self) -> list[int]:
        """Return the numbers of the parts that there are, in ascending order."""
        if not self.folder.exists():
            return []
        if not self.folder.is_dir():
            raise no_table(str(self.folder), "not a folder")
        return part_numbers(str(self.folder), (path.name for path in self.folder.iterdir()), self.suffix)

    def place(self, number: int) -> str:
        """Return the path of a part for messages."""
        return str(self._path(number))

    def _path(self, number: int) -> Path:
        return self.folder / part_name(number, self.suffix)

    def read(self, number: int) -> bytes | None:
        """Return the content of a part, or None if it is absent."""
        try:
            with self._path(number).open("rb") as file:
                # Python reserves as much memory as it is asked to read.
                size = min(os.fstat(file.fileno()).st_size, MAX_PART_BYTES)
                return limited(file.read(size + 1), self.place(number))
        except FileNotFoundError:
            return None

    def write(self, number: int, content: bytes) -> None:
        """Write a part."""
        require_size(content, self.place(number))
        if not self.folder.exists():
            self.folder.mkdir(parents=True)
            flush_folder(self.folder.parent)
        write_bytes(self._path(number), content)

    def delete(self, number: int) -> None:
        """Delete a part."""
        self._path(number).unlink(missing_ok=True)

    def remove_leftovers(self) -> None:
        """Delete what killed writers left."""
        remove_leftovers(self.folder, f"part-*{self.suffix}")


def part_name(number: int, suffix: str) -> str:
    """Return the name of the file of a part."""
    return f"part-{number:06d}{suffix}"


def part_numbers(folder: str, names: Iterable[str], suffix: str) -> list[int]:
    """Return the numbers of the parts among the names in a folder, in ascending order.

    Raises:
        FlowerError: a name is neither that of a part nor hidden.
    """
    pattern = re.compile(rf"part-(\d{{6,9}}){re.escape(suffix)}", re.ASCII)
    numbers = []
    for name in names:
        match = pattern.fullmatch(name)
        if match and name == part_name(int(match[1]), suffix):
            numbers.append(int(match[1]))
        elif not name.startswith(HIDDEN):
            raise no_table(folder, f"a folder with other files, such as {name!r}")
    return sorted(numbers)


def require_parts(parts: Parts, count: int) -> list[int]:
    """Return the numbers of the parts that there are.

    Raises:
        FlowerError: one of the parts 0 to ``count`` - 1 is absent.
    """
    numbers = parts.numbers()
    missing = set(range(count)).difference(numbers)
    if missing:
        raise FlowerError(f"{parts.place(min(missing))}: was removed meanwhile; run again with --resume")
    return numbers


def limited(content: bytes, place: str) -> bytes:
    """Return the content of a part.

    Raises:
        FlowerError: it is larger than any part.
    """
    if len(content) > MAX_PART_BYTES:
        raise no_table(place, f"more than {MAX_PART_BYTES:,} bytes")
    return content


def require_size(content: bytes, place: str, most: int = MAX_PART_BYTES) -> None:
    """Check that what is to be written can be read again.

    Raises:
        FlowerError: the content is larger than ``most`` bytes.
    """
    if len(content) > most:
        raise FlowerError(f"{place}: {len(content):,} bytes of answers are too many; ask for fewer with --top")


def no_table(place: str, reason: object) -> FlowerError:
    """Return the error for what is in the place of a table and is none."""
    return FlowerError(f"{place}: no table of answers ({reason}); move it away or name another one with --output")


def damaged(place: str, reason: object) -> FlowerError:
    """Return the error for a damaged file of a table. Without it, its photos are answered again."""
    return FlowerError(f"{place}: damaged ({reason}); move this file away and run again with --resume")
