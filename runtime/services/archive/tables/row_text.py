"""`RowText`: how rows become lines of text, and `Lines`: how they are read with limits."""

from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, Protocol

from runtime.services.archive.tables.row_values import MAX_ROW_BYTES


class RowText(Protocol):
    """A format in which a table is a text file, UTF-8 with line ends of one byte."""

    header: bytes
    """The beginning of every file."""

    def encode(self, values: Mapping[str, Any]) -> bytes:
        """Return the text of a row, with its line end.

        Args:
            values: what `runtime.services.archive.tables.row_values.values_of` returned.
        """
        ...

    def decode(self, lines: "Lines") -> Iterator[Any]:
        """Yield JSON values for each row of a file.

        Raises:
            ValueError: the file is no table of this format. So say `csv.Error` and `RecursionError`.
        """
        ...


class Lines(Iterator[str]):
    """The lines of a file that anyone may have changed. They are read one at a time, with their line ends.

    Raises:
        ValueError: a row is too long, a line has no end, or it is no UTF-8.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._number = 0
        """Of the last line that was read, from 1."""
        self.begin_row()

    def begin_row(self) -> None:
        """Begin a row, which may have several lines, with the next line."""
        self.row_number = self._number + 1
        """Of the first line of the row, from 1."""
        self._row_bytes = 0

    def __next__(self) -> str:
        line = self._file.readline(MAX_ROW_BYTES + 1)
        if not line:
            raise StopIteration
        self._number += 1
        self._row_bytes += len(line)
        if self._row_bytes > MAX_ROW_BYTES:
            raise ValueError(f"more than {MAX_ROW_BYTES:,} bytes")
        if not line.endswith(b"\n"):
            raise ValueError("incomplete")
        return line.decode()
