"""Parquet: a folder with a file for each part, which Spark, Ray, pandas, DuckDB and pyarrow read as one table."""

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from runtime.services.archive.row import COLUMNS, ColumnType, Row
from runtime.services.archive.tables.parts import LocalParts, damaged, no_table, require_parts
from runtime.services.archive.tables.row_values import MAX_PART_BYTES, MAX_PART_ROWS, row_of, values_of
from runtime.services.archive.tables.store_parts import parts_at, pyarrow_missing, without_password

if TYPE_CHECKING:
    from pyarrow import DataType, Schema
    from pyarrow.parquet import FileMetaData

BATCH_ROWS = 1000
"""Rows that are read at once."""
REPEATED = ["verdict", "label", "name", "latin", "predictions.list.element.label", "error", "error_kind", "settings"]
"""The columns whose texts occur in many rows. They are stored as a dictionary of the texts; for the others, that would
make the files larger."""


class ParquetTable:
    """A table in a folder of Parquet files with one schema. See `AnswerTable`.

    A part of a run is a part of the finished table, so the table can be read at every moment.

    Args:
        path: of the folder, or its address in a store (``s3://bucket/answers.parquet``).

    Raises:
        FlowerError: pyarrow is not installed, or it cannot use the store.
    """

    def __init__(self, path: str) -> None:
        try:
            import pyarrow.parquet  # noqa: F401
        except ImportError:
            raise pyarrow_missing() from None
        in_store = "://" in path
        self.path = without_password(path) if in_store else path
        self._parts = parts_at(path, ".parquet") if in_store else LocalParts(Path(path), ".parquet")

    def is_begun(self) -> bool:
        """Return whether there is a part."""
        numbers = self._parts.numbers()
        if numbers:
            next(self._part_rows(numbers[0]), None)
        return bool(numbers)

    def rows(self) -> Iterator[Row]:
        """Yield the rows of all parts in their order."""
        for number in self._parts.numbers():
            yield from self._part_rows(number)

    def read_part(self, number: int) -> list[Row] | None:
        """Return the rows of a part."""
        return list(self._part_rows(number)) or None

    def _part_rows(self, number: int) -> Iterator[Row]:
        """Yield the rows of a part; none if it is absent."""
        content = self._parts.read(number)
        if content is not None:
            yield from rows_of_part(content, self._parts.place(number))

    def write_part(self, number: int, rows: Sequence[Row]) -> None:
        """Write a part as a Parquet file."""
        self._parts.write(number, part_of_rows(rows))

    def finish(self, count: int) -> None:
        """Delete the parts from ``count`` on, which an earlier run over more photos made."""
        for number in require_parts(self._parts, count):
            if number >= count:
                next(self._part_rows(number), None)  # what is no part of a table is not deleted
                self._parts.delete(number)
        self._parts.remove_leftovers()


def answer_schema() -> "Schema":
    """Return the ``pyarrow.Schema`` of a table. Each column may be null, and keeps its type where all rows are null."""
    import pyarrow as pa

    kinds: dict[ColumnType, DataType] = {
        "text": pa.string(),
        "integer": pa.int64(),
        "number": pa.float64(),
        "truth": pa.bool_(),
        "predictions": pa.list_(
            pa.struct([("label", pa.string()), ("index", pa.int32()), ("probability", pa.float64())])
        ),
    }
    return pa.schema([(column, kinds[kind]) for column, kind in COLUMNS.items()])


def part_of_rows(rows: Sequence[Row]) -> bytes:
    """Return rows as a Parquet file. Equal rows make equal bytes with equal versions of pyarrow.

    Raises:
        ValueError: a value cannot stand in a table.
    """
    import pyarrow as pa
    from pyarrow.parquet import write_table

    values = [values_of(row) for row in rows]
    schema = answer_schema()
    columns = [pa.array([each[field.name] for each in values], type=field.type) for field in schema]
    content = io.BytesIO()
    write_table(
        pa.table(columns, schema=schema),
        content,
        compression="zstd",
        use_dictionary=REPEATED,
        write_page_checksum=True,
    )
    return content.getvalue()


def rows_of_part(content: bytes, place: str) -> Iterator[Row]:
    """Yield the rows of a Parquet file, which anyone may have changed.

    Args:
        content: of the file.
        place: its path for messages.

    Raises:
        FlowerError: the file is no part of a table, or damaged.
    """
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

    try:
        with ParquetFile(io.BytesIO(content), page_checksum_verification=True) as file:
            if not file.schema_arrow.equals(answer_schema()):
                raise no_table(place, "other columns than those of a table of answers")
            _limit(file.metadata)
            missing = file.metadata.num_rows
            for batch in file.iter_batches(BATCH_ROWS, use_threads=False):
                missing -= batch.num_rows
                columns = [column.to_pylist() for column in batch.columns]
                for values in zip(*columns, strict=True):
                    yield row_of(dict(zip(COLUMNS, values, strict=True)))
            if missing:  # pyarrow skips pages with a damaged type
                raise ValueError("rows are missing")
    except (pa.ArrowException, OSError, ValueError) as error:
        raise damaged(place, error) from None


def _limit(metadata: "FileMetaData") -> None:
    """Check how much the file says it holds.

    Raises:
        ValueError: it is less or more than any part has.
    """
    groups = [metadata.row_group(index) for index in range(metadata.num_row_groups)]
    if metadata.num_rows == 0:
        raise ValueError("no rows")
    if metadata.num_rows > MAX_PART_ROWS or sum(group.total_byte_size for group in groups) > MAX_PART_BYTES:
        raise ValueError(f"more than {MAX_PART_ROWS:,} rows or {MAX_PART_BYTES:,} bytes")
