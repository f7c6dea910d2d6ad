"""A table of answers in memory, for tests of what fills one."""

from collections.abc import Iterator, Sequence

from runtime.services.archive.row import Row


class TableInMemory:
    """An `AnswerTable` that records which parts were written."""

    path = "answers.memory"

    def __init__(self) -> None:
        self.parts: dict[int, list[Row]] = {}
        self.written: list[int] = []
        self.is_finished = False

    def is_begun(self) -> bool:
        return bool(self.parts)

    def rows(self) -> Iterator[Row]:
        for part in self.parts.values():
            yield from part

    def read_part(self, number: int) -> list[Row] | None:
        return self.parts.get(number)

    def write_part(self, number: int, rows: Sequence[Row]) -> None:
        self.parts[number] = list(rows)
        self.written.append(number)

    def finish(self, count: int) -> None:
        self.parts = {number: self.parts[number] for number in range(count)}
        self.is_finished = True
