"""The parts of a table as objects of a store, such as S3, through ``pyarrow.fs``."""

import re
from pathlib import Path
from typing import Any

from runtime.distribution import install_command
from runtime.errors import FlowerError
from runtime.services.archive.tables.parts import (
    LocalParts,
    Parts,
    limited,
    no_table,
    part_name,
    part_numbers,
    require_size,
)
from runtime.services.archive.tables.row_values import MAX_PART_BYTES

ADDRESS = re.compile(r"([^/]*://)([^/?#]*@)?([^?#]*).*", re.DOTALL)
"""An address: its scheme, user and password, the rest, and options."""


class StoreParts:
    """Parts in a folder of a store, in which an object appears whole once it was sent. See `Parts`.

    Args:
        place: the address of the folder for messages, without passwords.
        filesystem: a ``pyarrow.fs.FileSystem``.
        folder: its path there.
        suffix: of the names of the parts, with the dot.
    """

    def __init__(self, place: str, filesystem: Any, folder: str, suffix: str) -> None:
        self._place, self._filesystem, self._folder, self._suffix = place, filesystem, folder, suffix

    def numbers(self) -> list[int]:
        """Return the numbers of the parts that there are, in ascending order."""
        from pyarrow.fs import FileSelector, FileType

        kind, bucket = self._filesystem.get_file_info(self._folder).type, self._folder.partition("/")[0]
        if kind == FileType.File:
            raise no_table(self._place, "not a folder")
        if kind == FileType.NotFound and bucket and self._filesystem.get_file_info(bucket).type == FileType.NotFound:
            raise FlowerError(f"{self._place}: there is no {bucket!r}; make it first or check --output")
        found = self._filesystem.get_file_info(FileSelector(self._folder, allow_not_found=True))
        return part_numbers(self._place, (each.base_name for each in found), self._suffix)

    def place(self, number: int) -> str:
        """Return the path of a part for messages."""
        return f"{self._place}/{part_name(number, self._suffix)}"

    def _path(self, number: int) -> str:
        return f"{self._folder}/{part_name(number, self._suffix)}"

    def read(self, number: int) -> bytes | None:
        """Return the content of a part, or None if it is absent."""
        try:
            with self._filesystem.open_input_stream(self._path(number), compression=None) as stream:
                return limited(stream.read(MAX_PART_BYTES + 1), self.place(number))
        except FileNotFoundError:
            return None

    def write(self, number: int, content: bytes) -> None:
        """Write a part."""
        require_size(content, self.place(number))
        # The store keeps what was sent when the stream is closed, and the only write hands over everything.
        with self._filesystem.open_output_stream(self._path(number), compression=None) as stream:
            stream.write(content)

    def delete(self, number: int) -> None:
        """Delete a part."""
        self._filesystem.delete_file(self._path(number))

    def remove_leftovers(self) -> None:
        """Do nothing: a store shows no incomplete objects."""


def parts_at(uri: str, suffix: str) -> Parts:
    """Return the parts of a table that an address such as ``s3://bucket/answers.parquet`` names.

    Raises:
        FlowerError: pyarrow knows no such store, or cannot use it.
    """
    try:
        from pyarrow.fs import FileSystem, LocalFileSystem
    except ImportError:
        raise pyarrow_missing() from None
    place = without_password(uri)
    try:
        filesystem, folder = FileSystem.from_uri(uri)
    except (ValueError, OSError, NotImplementedError) as error:  # ArrowInvalid is a ValueError
        reason = type(error).__name__ if place != uri else error  # the message has the address, with its password
        raise FlowerError(f"{place}: no store that pyarrow can use ({reason}); check --output") from error
    if isinstance(filesystem, LocalFileSystem):
        return LocalParts(Path(folder), suffix)
    return StoreParts(place, filesystem, folder.rstrip("/"), suffix)


def without_password(uri: str) -> str:
    """Return an address without user, password and options, for messages."""
    return ADDRESS.sub(r"\1\3", uri).rstrip("/")


def pyarrow_missing() -> FlowerError:
    """Return the error for a missing pyarrow."""
    return FlowerError(f"a Parquet table needs pyarrow; run: {install_command('archive')}")
