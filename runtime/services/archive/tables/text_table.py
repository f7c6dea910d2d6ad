"""Tables that are one file of text. While they are made, their parts are files in a folder beside it.

``answers.jsonl`` has the folder ``answers.jsonl.parts``. The finished file is made of the parts at once, and only then
is the folder deleted: at every moment, the two together have all rows. Later runs write parts again.
"""

import csv
import glob
import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from runtime.errors import FlowerError
from runtime.files.atomic import atomic_file, remove_leftovers
from runtime.services.archive.row import Row
from runtime.services.archive.tables.parts import LocalParts, damaged, no_table, require_parts, require_size
from runtime.services.archive.tables.row_text import Lines, RowText
from runtime.services.archive.tables.row_values import MAX_ROW_BYTES, row_of, values_of


class TextTable:
    """A table in a text file. See `AnswerTable`.

    Args:
        path: of the finished file.
        text: how rows become text.
    """

    def __init__(self, path: str, text: RowText) -> None:
        self.path = path
        self._file = Path(path)
        self._text = text
        self._parts = LocalParts(self._file.with_name(f"{self._file.name}.parts"), self._file.suffix)

    def is_begun(self) -> bool:
        """Return whether there is a finished table or a part of one."""
        finished = self._file.exists()
        if finished:
            next(self._finished_rows(), None)
        numbers = self._parts.numbers()
        if numbers:
            self.read_part(numbers[0])
        return finished or bool(numbers)

    def rows(self) -> Iterator[Row]:
        """Yield the rows of the finished table, then those of the parts, which are newer."""
        if self._file.exists():
            yield from self._finished_rows()
        for number in self._parts.numbers():
            yield from self.read_part(number) or ()

    def _finished_rows(self) -> Iterator[Row]:
        if not self._file.is_file():
            raise no_table(self.path, "not a file")
        with self._file.open("rb") as file:
            yield from self._rows(file, lambda reason: no_table(self.path, reason))

    def _rows(self, file: BinaryIO, error_for: Callable[[str], FlowerError]) -> Iterator[Row]:
        lines = Lines(file)
        decoded = self._text.decode(lines)
        while True:
            lines.begin_row()
            try:
                values = next(decoded)
                row = row_of(values)
            except StopIteration:
                return
            except (ValueError, csv.Error, RecursionError) as error:
                raise error_for(f"line {lines.row_number}: {error}") from None
            yield row

    def read_part(self, number: int) -> list[Row] | None:
        """Return the rows of a part. After `finish` there are none."""
        content = self._parts.read(number)
        if content is None:
            return None
        return list(self._rows(io.BytesIO(content), lambda reason: damaged(self._parts.place(number), reason)))

    def write_part(self, number: int, rows: Sequence[Row]) -> None:
        """Write a part as a file."""
        encoded = [self._text.encode(values_of(row)) for row in rows]
        require_size(max(encoded, key=len), self.path, MAX_ROW_BYTES)
        self._parts.write(number, self._text.header + b"".join(encoded))

    def finish(self, count: int) -> None:
        """Join the parts to the finished file and delete them."""
        self.is_begun()  # what is no table is not replaced
        numbers = require_parts(self._parts, count)
        self._parts.remove_leftovers()
        remove_leftovers(self._file.parent, glob.escape(self._file.name))
        with atomic_file(self._file) as temporary, temporary.open("wb") as file:
            file.write(self._text.header)
            for number in range(count):
                content = self._parts.read(number) or b""
                if not content.startswith(self._text.header) or not content.endswith(b"\n"):
                    raise damaged(self._parts.place(number), "other columns")
                file.write(memoryview(content)[len(self._text.header) :])
        for number in numbers:
            self._parts.delete(number)
        with suppress(OSError):  # something else is in it
            self._parts.folder.rmdir()
