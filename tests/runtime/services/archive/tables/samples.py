"""Rows and tables of the tests."""

import importlib.util
from pathlib import Path

import pytest

from runtime.services.archive.row import Row
from runtime.services.archive.tables.formats import open_table
from runtime.services.archive.tables.table import AnswerTable

TOP = 3
HAS_PYARROW = importlib.util.find_spec("pyarrow") is not None
NAMES = [
    pytest.param("answers [1].parquet", marks=pytest.mark.skipif(not HAS_PYARROW, reason="no pyarrow")),
    "answers [1].jsonl",
    "answers [1].csv",
    "answers [1].sqlite",
]


def table_at(path: Path) -> AnswerTable:
    return open_table(str(path), TOP)


def an_answered(number: int, settings: str = "0123456789abcdef") -> Row:
    predictions = (
        {"label": 'a "red", rose', "index": 3, "probability": 0.1 + 0.2},
        {"label": "sunflower", "index": 0, "probability": 1e-06},
    )
    return Row(
        f"2024/{number:05}.jpg",
        size=number,
        modified_ns=1_700_000_000_123_456_789,
        sha256=f"{number:064x}",
        verdict="name",
        label="rose",
        probability=predictions[0]["probability"],  # type: ignore[arg-type]
        familiarity=0.5,
        taken="2024-05-01T12:00:00",
        latitude=-47.0,
        longitude=8.25,
        predictions=predictions,
        fingerprint=f"{number:016x}",
        settings=settings,
    )


def a_failed(number: int, settings: str = "0123456789abcdef") -> Row:
    return Row(
        f"broken\r{number}�.jpg",
        photo_bytes="ff2e6a7067",
        error="not a\npicture",
        error_kind="damaged",
        passing=False,
        settings=settings,
    )


def a_part(first: int, count: int = 4, settings: str = "0123456789abcdef") -> list[Row]:
    """Return the rows of a part: answers, and an error at the end."""
    return [*(an_answered(number, settings) for number in range(first, first + count - 1)), a_failed(first, settings)]


def content_of(path: Path) -> dict[str, bytes]:
    """Return all files at or below a path."""
    files = [path] if path.is_file() else sorted(path.rglob("*"))
    return {str(file.relative_to(path)): file.read_bytes() for file in files if file.is_file()}
