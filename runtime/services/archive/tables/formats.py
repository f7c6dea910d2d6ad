"""`open_table`: from the path of a table of answers to the format that its suffix names."""

from collections.abc import Callable, Mapping
from pathlib import PurePath

from runtime.errors import FlowerError
from runtime.services.archive.tables.csv_lines import CsvLines
from runtime.services.archive.tables.json_lines import JsonLines
from runtime.services.archive.tables.parquet_table import ParquetTable
from runtime.services.archive.tables.sqlite_table import SqliteTable
from runtime.services.archive.tables.store_parts import without_password
from runtime.services.archive.tables.table import AnswerTable
from runtime.services.archive.tables.text_table import TextTable

FORMATS: Mapping[str, Callable[[str, int], AnswerTable]] = {
    ".parquet": lambda path, _: ParquetTable(path),
    **dict.fromkeys((".jsonl", ".ndjson"), lambda path, _: TextTable(path, JsonLines())),
    ".csv": lambda path, top: TextTable(path, CsvLines(top)),
    **dict.fromkeys((".sqlite", ".sqlite3", ".db"), lambda path, _: SqliteTable(path)),
}
"""Suffix → from the path of a table and the most predictions of a row to the table."""


def open_table(path: str, top: int) -> AnswerTable:
    """Return the table at a path. Nothing is written or read yet: `AnswerTable.is_begun` says what is there.

    Args:
        path: where the finished table is to be; its suffix names the format (`FORMATS`). A Parquet table may be in a
            store that pyarrow knows, such as ``s3://bucket/answers.parquet``.
        top: most predictions of a row, for which a CSV table has columns.

    Raises:
        FlowerError: the suffix names no format, or a library for the format or the store is missing.
    """
    in_store = "://" in path
    place = without_password(path) if in_store else path
    suffix = PurePath(place).suffix.lower()
    if suffix not in FORMATS:
        raise FlowerError(f"{place}: no format of a table; name a file that ends in {', '.join(FORMATS)}")
    if in_store and suffix != ".parquet":
        raise FlowerError(f"{place}: only a .parquet table can be in a store")
    return FORMATS[suffix](path, top)
