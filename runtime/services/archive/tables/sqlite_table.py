"""SQLite: a database with the table ``answers``. Predictions are JSON text, and ``passing`` is 0 or 1.

A part is written in one transaction. `finish` makes the file anew, so that equal rows make a file of equal bytes with
equal versions of SQLite, whatever was written before.
"""

import errno
import glob
import json
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtime.errors import FlowerError
from runtime.files.atomic import atomic_file, remove_leftovers
from runtime.services.archive.row import COLUMNS, ColumnType, Row
from runtime.services.archive.tables.parts import damaged, no_table, require_size
from runtime.services.archive.tables.row_values import MAX_ROW_BYTES, row_of, values_of

if TYPE_CHECKING:
    from sqlite3 import Connection, Error

MAGIC = b"SQLite format 3\0"
"""The beginning of every database (https://www.sqlite.org/fileformat.html)."""
APPLICATION_ID = 0x464C5441
"""Marks the database as a table of answers: ``FLTA`` in ASCII."""
VERSION = 1
"""Of the table."""
LOCK_SECONDS = 10.0
"""How long another process may read or write before this one gives up."""
TYPES: dict[ColumnType, str] = {
    "text": "TEXT",
    "integer": "INTEGER",
    "number": "REAL",
    "truth": "INTEGER",
    "predictions": "TEXT",
}
TABLE = (
    "CREATE TABLE answers (part INTEGER NOT NULL, position INTEGER NOT NULL, "
    + ", ".join(f"{column} {TYPES[kind]}" for column, kind in COLUMNS.items())
    + ", PRIMARY KEY (part, position)) WITHOUT ROWID"
)
INDEX = "CREATE INDEX answers_by_photo ON answers (photo)"
INSERT = f"INSERT INTO answers VALUES (?, ?{', ?' * len(COLUMNS)})"  # noqa: S608 (a number)
SELECT = f"SELECT {', '.join(COLUMNS)} FROM answers"  # noqa: S608 (names of this project)


class SqliteTable:
    """A table in an SQLite database. See `AnswerTable`.

    Args:
        path: of the database.

    Raises:
        FlowerError: this Python has no SQLite.
    """

    def __init__(self, path: str) -> None:
        try:
            import sqlite3  # noqa: F401
        except ImportError:
            raise FlowerError(f"{path}: this Python has no SQLite; name a .jsonl file with --output") from None
        self.path = path
        self._file = Path(path)

    def is_begun(self) -> bool:
        """Return whether there is a table, with or without rows."""
        if not self._file.exists():
            return False
        if not self._file.is_file():
            raise no_table(self.path, "not a file")
        # Looked at without SQLite, which may write to a database when it opens it.
        with self._file.open("rb") as file:
            head = file.read(100)
        if head and (head[:16] != MAGIC or head[68:72] != APPLICATION_ID.to_bytes(4, "big")):
            raise no_table(self.path, "another kind of file")
        if head and head[60:64] != VERSION.to_bytes(4, "big"):
            raise no_table(self.path, "made by another version of flower-infer")
        return bool(head)

    def rows(self) -> Iterator[Row]:
        """Yield the rows in their order. The database is locked for writers until the last one was yielded."""
        yield from self._rows(f"{SELECT} ORDER BY part, position")

    def read_part(self, number: int) -> list[Row] | None:
        """Return the rows of a part."""
        return list(self._rows(f"{SELECT} WHERE part = ? ORDER BY position", number)) or None

    def _rows(self, select: str, *parameters: int) -> Iterator[Row]:
        if not self.is_begun():
            return
        with self._open(self._file) as connection:
            for values in connection.execute(select, parameters):
                try:
                    row = row_of(_from_sql(values))
                except (ValueError, RecursionError) as error:
                    raise damaged(self.path, error) from None
                yield row

    def write_part(self, number: int, rows: Sequence[Row]) -> None:
        """Write a part in one transaction."""
        values = [_to_sql(number, position, row, self.path) for position, row in enumerate(rows)]
        if not self.is_begun():
            self._replace(0)
        with self._open(self._file) as connection:
            # EXTRA flushes the folder, too, after the journal was deleted there: that is what commits.
            connection.executescript("PRAGMA journal_mode = DELETE; PRAGMA synchronous = EXTRA; BEGIN IMMEDIATE")
            connection.execute("DELETE FROM answers WHERE part = ?", (number,))
            connection.executemany(INSERT, values)
            connection.execute("COMMIT")

    def finish(self, count: int) -> None:
        """Write the parts that stay to a new database with an index, in the place of the old one."""
        if count and not self.is_begun():
            raise FlowerError(f"{self.path}: was removed meanwhile; run again")
        remove_leftovers(self._file.parent, glob.escape(self._file.name))
        self._replace(count)

    def _replace(self, count: int) -> None:
        """Put a new database with the first ``count`` parts in the place of the old one, if there is one."""
        is_begun = self.is_begun()
        with atomic_file(self._file) as temporary, self._open(temporary) as new:
            # The temporary file needs no protection against a crash, and is flushed before it is renamed.
            new.executescript(
                f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; BEGIN; {TABLE}; "
                f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION}"
            )
            if is_begun:
                with self._open(self._file) as old:
                    # Ends the write-ahead log of a user who set one: it must not be applied to the new database.
                    old.execute("PRAGMA journal_mode = DELETE")
                    old.execute("BEGIN")
                    kept = "FROM answers WHERE part BETWEEN 0 AND ?"
                    (parts,) = old.execute(f"SELECT count(DISTINCT part) {kept}", (count - 1,)).fetchone()
                    if parts < count:
                        raise FlowerError(f"{self.path}: rows were removed meanwhile; run again with --resume")
                    new.executemany(INSERT, old.execute(f"SELECT * {kept} ORDER BY part, position", (count - 1,)))
            new.execute(INDEX)
            new.execute("COMMIT")

    @contextmanager
    def _open(self, file: Path) -> "Iterator[Connection]":
        """Open a database for one operation. What SQLite raises becomes the errors of an `AnswerTable`."""
        import sqlite3

        try:
            with closing(sqlite3.connect(file, LOCK_SECONDS, isolation_level=None)) as connection:
                connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 2 * MAX_ROW_BYTES)
                found = connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
                # A view or a trigger would run what someone else wrote, and `finish` would delete other tables.
                if found not in ([], [(TABLE,), (INDEX,)]):
                    raise no_table(self.path, "tables, indexes or views that are not its own")
                yield connection
        except sqlite3.Error as error:
            raise self._error(error) from error

    def _error(self, error: "Error") -> Exception:
        import sqlite3

        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return FlowerError(f"{self.path}: another process uses this table; wait for it or stop it")
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_ERROR):
            return damaged(self.path, error)
        return OSError(errno.ENOSPC if code == sqlite3.SQLITE_FULL else errno.EIO, str(error), self.path)


def _to_sql(number: int, position: int, row: Row, path: str) -> list[Any]:
    values = values_of(row)
    if values["predictions"] is not None:
        values["predictions"] = json.dumps(values["predictions"])
        require_size(values["predictions"].encode(), path, MAX_ROW_BYTES)
    return [number, position, *values.values()]


def _from_sql(row: Sequence[Any]) -> dict[str, Any]:
    values = dict(zip(COLUMNS, row, strict=True))
    if isinstance(values["predictions"], str):
        values["predictions"] = json.loads(values["predictions"])
    if values["passing"] in (0, 1):
        values["passing"] = bool(values["passing"])
    return values
