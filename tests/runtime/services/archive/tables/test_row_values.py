"""Which values may stand in a row."""

from typing import Any

import pytest

from runtime.services.archive.row import COLUMNS, Row
from runtime.services.archive.tables.row_values import MAX_TEXT, row_of, values_of
from tests.runtime.services.archive.tables.samples import a_failed, an_answered

PREDICTION = {"label": "rose", "index": 1, "probability": 0.5}


@pytest.mark.parametrize("row", [an_answered(1), a_failed(1), Row("a.jpg", predictions=(), probability=1)])
def test_a_row_has_the_values_of_all_columns_in_their_order(row: Row) -> None:
    values = values_of(row)
    assert list(values) == list(COLUMNS)
    assert row_of(values) == row


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("photo", None),
        ("photo", b"a.jpg"),
        ("photo", "a" * (MAX_TEXT + 1)),
        ("photo", "half of a pair: \ud83c"),
        ("settings", None),
        ("photo_bytes", "f"),
        ("sha256", "no hexadecimal text" * 4),
        ("fingerprint", 12),
        ("size", True),
        ("size", 1.0),
        ("size", 2**63),
        ("probability", float("nan")),
        ("probability", float("inf")),
        ("probability", 10**400),
        ("probability", "0.5"),
        ("passing", 1),
        ("predictions", {}),
        ("predictions", [None]),
        ("predictions", [{"label": "rose"}]),
        ("predictions", [{**PREDICTION, "more": 1}]),
        ("predictions", [{**PREDICTION, "label": None}]),
        ("predictions", [{**PREDICTION, "index": 2**31}]),
        ("predictions", [{**PREDICTION, "index": False}]),
        ("predictions", [{**PREDICTION, "probability": None}]),
    ],
)
def test_a_wrong_value_is_refused(column: str, value: Any) -> None:
    values = {**values_of(an_answered(1)), "predictions": [PREDICTION]}
    assert row_of(values)
    with pytest.raises(ValueError, match=rf"^(no|a wrong value in the column) {column}$"):
        row_of({**values, column: value})


@pytest.mark.parametrize("values", [None, [], {"photo": "a.jpg"}, {**values_of(Row("a.jpg")), "more": 1}])
def test_other_columns_are_refused(values: Any) -> None:
    with pytest.raises(ValueError, match="other columns"):
        row_of(values)
