"""From the photos of an archive to tasks, and from the rows of the tasks to the parts of the table."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import count, islice

from runtime.services.archive.answer_index import AnswerIndex
from runtime.services.archive.answering import row_without_answer
from runtime.services.archive.engines.engine import Task
from runtime.services.archive.row import Row
from runtime.services.archive.sources.photo import ArchivePhoto
from runtime.services.archive.summary import Summary
from runtime.services.archive.tables.table import AnswerTable

PART_ROWS = 1000
"""Rows in a part of the table. After a crash, at most the parts that were begun are answered again."""
TASK_PHOTOS = 25
"""Photos in a task: few, so that all processes have work until the end and Ctrl-C needs no long wait."""


@dataclass(slots=True)
class _Part:
    """A part some of whose rows are missing."""

    rows: list[Row | None]
    missing: int = field(init=False)

    def __post_init__(self) -> None:
        self.missing = self.rows.count(None)


class Assembly:
    """Makes tasks of the photos that have no row yet, and writes each part of the table when all its rows are there.

    Args:
        photos: in the order of the table.
        table: has the rows of earlier runs, and gets the new ones.
        index: has the rows of the table by photo, and gets the new ones.
        digest: of the settings. Rows of other settings are answered again.
        summary: counts the rows.
    """

    def __init__(
        self,
        photos: Iterable[ArchivePhoto],
        table: AnswerTable,
        index: AnswerIndex,
        digest: str,
        summary: Summary,
    ) -> None:
        self._photos, self._table, self._index, self._digest = photos, table, index, digest
        self._summary = summary
        self._parts: dict[int, _Part] = {}
        self.count = 0
        """Parts of the table, once all tasks are taken."""

    def tasks(self) -> Iterator[Task]:
        """Yield the tasks. Parts whose rows are all known are written on the way."""
        photos_left = iter(self._photos)
        for number in count():
            photos = tuple(islice(photos_left, PART_ROWS))
            if not photos:
                return
            self.count = number + 1
            part = self._parts[number] = _Part([self._known_row(photo) for photo in photos])
            new = tuple(position for position, row in enumerate(part.rows) if row is None)
            self._write_if_complete(number)
            for start in range(0, len(new), TASK_PHOTOS):
                positions = new[start : start + TASK_PHOTOS]
                yield Task(number, positions, tuple(photos[position] for position in positions))

    def add(self, task: Task, rows: list[Row]) -> None:
        """Take the rows of a task.

        Raises:
            OSError: the part that is complete now cannot be written.
        """
        self._summary.add(rows, repeated=self._index.add(rows))
        part = self._parts[task.part]
        for position, row in zip(task.positions, rows, strict=True):
            part.rows[position] = row
        part.missing -= len(rows)
        self._write_if_complete(task.part)

    def save_begun(self) -> None:
        """Write the parts that are begun, with the rows that they have. They are written again when they are complete.

        Raises:
            OSError: a part cannot be written.
        """
        for number, part in self._parts.items():
            if rows := [row for row in part.rows if row is not None]:
                self._table.write_part(number, rows)

    def _known_row(self, photo: ArchivePhoto) -> Row | None:
        """Return the row of an earlier run, unless the photo has changed or its error may have passed."""
        row = self._index.row_of_photo(photo.name)
        if row is None or row.passing or row.settings != self._digest:
            return None
        if photo.error is not None:
            stays = row.verdict is not None  # the answer of a photo that is away stays; an error is looked at again
        else:
            now = row_without_answer(photo, self._digest)
            stays = (row.size, row.modified_ns) == (now.size, now.modified_ns)
        if not stays:
            return None
        self._summary.add_known(row)
        return row

    def _write_if_complete(self, number: int) -> None:
        part = self._parts[number]
        if part.missing:
            return
        rows = [row for row in part.rows if row is not None]
        if self._table.read_part(number) != rows:
            self._table.write_part(number, rows)
        del self._parts[number]
