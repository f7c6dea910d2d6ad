r"""CSV: one row for each photo, with the columns of a table, and three for each of the most probable classes.

RFC 4180 with ``\n`` as line end. Numbers are exact: the shortest text from which the same float is read. An empty cell
is a value that there is not, so that an empty text cannot be told apart from it; the texts of rows are not empty.
"""

import csv
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from runtime.services.archive.row import COLUMNS, PREDICTION_FIELDS, ColumnType
from runtime.services.archive.tables.row_text import Lines
from runtime.services.archive.tables.row_values import REQUIRED

QUOTED = re.compile('[",\r\n]')
"""A cell with one of these stands in quotation marks."""
TRUTHS = {"true": True, "false": False}
FROM_CELL: Mapping[ColumnType, Callable[[str], Any]] = {
    "text": str,
    "integer": int,
    "number": float,
    "truth": lambda cell: TRUTHS.get(cell, cell),
}
"""Type of a column → from the text of a cell to its value. What is no value is found by `row_of`."""


class CsvLines:
    """Rows as CSV. See `RowText`.

    Args:
        top: most predictions of a row. The columns of those that a row has not are empty.
    """

    def __init__(self, top: int) -> None:
        self._top = top
        self.header = _line(csv_columns(top))

    def encode(self, values: Mapping[str, Any]) -> bytes:
        """Return the text of a row.

        Raises:
            ValueError: it has too many predictions.
        """
        cells: list[str] = []
        for column, value in values.items():
            if column == "predictions":
                cells += self._prediction_cells(value or ())
            else:
                cells.append(_cell(value))
        return _line(cells)

    def _prediction_cells(self, predictions: Sequence[Mapping[str, Any]]) -> Iterator[str]:
        if len(predictions) > self._top:
            raise ValueError(f"{len(predictions)} predictions, but the table has columns for {self._top}")
        for prediction in predictions:
            yield from (_cell(prediction[field]) for field in PREDICTION_FIELDS)
        yield from [""] * (len(PREDICTION_FIELDS) * (self._top - len(predictions)))

    def decode(self, lines: Lines) -> Iterator[Any]:
        """Yield JSON values for each row of a file, which may have been written with another ``top``."""
        reader = csv.reader(lines, strict=True)
        header = next(reader, [])
        top = (len(header) - len(COLUMNS) + 1) // len(PREDICTION_FIELDS)
        if header != csv_columns(top):
            raise ValueError("other columns than those of a table of answers")
        lines.begin_row()
        for cells in reader:
            if len(cells) != len(header):
                raise ValueError(f"{len(cells)} cells in {len(header)} columns")
            yield _values(cells)


def csv_columns(top: int) -> list[str]:
    """Return the names of the columns of a table with up to ``top`` predictions in a row.

    Those of the predictions are ``label_1``, ``index_1``, ``probability_1``, ``label_2``, ….
    """
    of_predictions = [f"{field}_{rank}" for rank in range(1, top + 1) for field in PREDICTION_FIELDS]
    return [name for column in COLUMNS for name in (of_predictions if column == "predictions" else [column])]


def _line(cells: Sequence[str]) -> bytes:
    return (",".join(map(_quoted, cells)) + "\n").encode()


def _quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"' if QUOTED.search(cell) else cell


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else repr(value)


def _values(cells: Sequence[str]) -> dict[str, Any]:
    """Return the JSON values of a row with the right number of cells."""
    start = list(COLUMNS).index("predictions")
    end = start + len(cells) - len(COLUMNS) + 1
    others = iter((*cells[:start], *cells[end:]))
    return {
        column: _predictions(cells[start:end]) if column == "predictions" else _value(next(others), column, kind)
        for column, kind in COLUMNS.items()
    }


def _value(cell: str, column: str, kind: ColumnType) -> Any:
    return None if cell == "" and column not in REQUIRED else FROM_CELL[kind](cell)


def _predictions(cells: Sequence[str]) -> list[dict[str, Any]] | None:
    """Return the predictions, which end before the first three empty cells; None if there are none.

    Raises:
        ValueError: a cell is empty or has a wrong value.
    """
    width = len(PREDICTION_FIELDS)
    filled = [cells[start : start + width] for start in range(0, len(cells), width)]
    while filled and not any(filled[-1]):
        filled.pop()
    return [
        {field: FROM_CELL[kind](cell) for (field, kind), cell in zip(PREDICTION_FIELDS.items(), each, strict=True)}
        for each in filled
    ] or None
