"""`AnswerTable`: what every format of a table of answers does. `open_table` in `formats` makes one from a path."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from runtime.services.archive.row import Row


class AnswerTable(Protocol):
    """A table of answers, written in parts that are numbered from 0. A part is whole or absent, also after a crash.

    Equal rows in equal parts make a finished table of equal bytes, with equal versions of the libraries. One process at
    a time may write to a table.
    """

    path: str
    """Where the finished table is."""

    def is_begun(self) -> bool:
        """Return whether there is a finished table or a part of one.

        Raises:
            FlowerError: something else is in its place.
        """
        ...

    def rows(self) -> Iterator[Row]:
        """Yield the rows of all parts and of a finished table, in any order, with little memory.

        A photo may come twice, with rows that are equal or of which the last one counts. Parts must not be written
        until the last row was yielded.

        Raises:
            FlowerError: a file is no table of answers, or damaged.
        """
        ...

    def read_part(self, number: int) -> list[Row] | None:
        """Return the rows of a part, or None if it is absent. It may be absent once the table is finished.

        Raises:
            FlowerError: the part is damaged.
        """
        ...

    def write_part(self, number: int, rows: Sequence[Row]) -> None:
        """Write a part in the place of an earlier one. When this returns, it is on the disk.

        Args:
            number: of the part.
            rows: at least one.

        Raises:
            OSError: it cannot be written. The part is as it was before.
            ValueError: a value cannot stand in a table (`runtime.services.archive.tables.row_values`).
        """
        ...

    def finish(self, count: int) -> None:
        """Make the finished table of the parts 0 to ``count`` - 1, and delete the others and what killed writers left.

        Raises:
            OSError: it cannot be written. The parts are still there.
            FlowerError: a part is absent or damaged.
        """
        ...
