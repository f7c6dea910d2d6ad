"""The values of a row: what may stand in each column. Checked before a row is written and after one was read."""

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from runtime.services.archive.row import COLUMNS, PREDICTION_FIELDS, ColumnType, Row

MAX_TEXT = 65_536
"""Most characters of a text."""
MAX_ROW_BYTES = 4_000_000
"""Longest row in a file of text, in bytes."""
MAX_PART_BYTES = 256_000_000
"""Largest file of one part, and most bytes that it may have when it is decompressed."""
MAX_PART_ROWS = 100_000
"""Most rows of one part."""
REQUIRED = ("photo", "settings")
"""The columns that are never None."""
HEXADECIMAL = {"photo_bytes": "([0-9a-f]{2})+", "sha256": "[0-9a-f]{64}", "fingerprint": "[0-9a-f]{16}"}
"""Column that is decoded where it is used → the pattern of its texts."""


def values_of(row: Row) -> dict[str, Any]:
    """Return a row as JSON values, in the order of `COLUMNS`.

    Raises:
        ValueError: a value cannot stand in a table.
    """
    values = row.to_dict()
    _check(values)
    return values


def row_of(values: object) -> Row:
    """Return the row that has these JSON values.

    Raises:
        ValueError: the columns are not those of a row, or a value is none of its column.
    """
    if not isinstance(values, dict) or values.keys() != COLUMNS.keys():
        raise ValueError("other columns than those of a table of answers")
    _check(values)
    predictions = values["predictions"]
    return Row(**{**values, "predictions": None if predictions is None else tuple(predictions)})


def _check(values: Mapping[str, Any]) -> None:
    for column, is_valid in VALID.items():
        value = values[column]
        if value is None:
            if column in REQUIRED:
                raise ValueError(f"no {column}")
        elif not is_valid(value):
            raise ValueError(f"a wrong value in the column {column}")


def _is_text(value: object) -> bool:
    return isinstance(value, str) and len(value) <= MAX_TEXT and (value.isascii() or _is_unicode(value))


def _is_unicode(value: str) -> bool:
    """Return whether a text has no halves of surrogate pairs, which UTF-8 cannot encode."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_integer(value: object) -> bool:
    return type(value) is int and -(2**63) <= value < 2**63


def _is_number(value: object) -> bool:
    return (type(value) is float and math.isfinite(value)) or _is_integer(value)


def _is_truth(value: object) -> bool:
    return isinstance(value, bool)


def _is_predictions(value: object) -> bool:
    return isinstance(value, list) and all(map(_is_prediction, value))


def _is_prediction(value: object) -> bool:
    return (
        isinstance(value, dict)
        and value.keys() == PREDICTION_FIELDS.keys()
        and _is_text(value["label"])
        and type(value["index"]) is int
        and -(2**31) <= value["index"] < 2**31
        and _is_number(value["probability"])
    )


def _matches(pattern: str) -> Callable[[object], bool]:
    compiled = re.compile(pattern)
    return lambda value: isinstance(value, str) and len(value) <= MAX_TEXT and compiled.fullmatch(value) is not None


OF_TYPE: Mapping[ColumnType, Callable[[object], bool]] = {
    "text": _is_text,
    "integer": _is_integer,
    "number": _is_number,
    "truth": _is_truth,
    "predictions": _is_predictions,
}
VALID = {column: OF_TYPE[kind] for column, kind in COLUMNS.items()} | {
    column: _matches(pattern) for column, pattern in HEXADECIMAL.items()
}
"""Column → whether something other than None is a value of it."""
