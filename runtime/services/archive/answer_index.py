"""`AnswerIndex`: the rows of a table by the name and by the bytes of a photo, on the disk.

It is made anew from the table at every start and deleted at the end, so a crash cannot damage it. Its size on the disk
is about that of the table as JSON. In memory it takes the same however many photos there are.
"""

import json
import os
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path

from runtime.services.archive.row import Row

SCHEMA = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = OFF;
CREATE TABLE answers (photo BLOB PRIMARY KEY, content TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE same_bytes (sha256 BLOB PRIMARY KEY, photo BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE listed (photo BLOB PRIMARY KEY) WITHOUT ROWID;
"""
WAIT_SECONDS = 60
"""How long one process waits for another that writes."""


class AnswerIndex:
    """The index that one process writes.

    Args:
        path: of the file, which is deleted first if it exists.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.delete()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(path, timeout=WAIT_SECONDS, check_same_thread=False)
        self._connection.executescript(SCHEMA)

    def add(self, rows: Iterable[Row], *, as_answers: bool = True) -> int:
        """Add rows, in the place of earlier ones of the same photos.

        Args:
            rows: of different photos.
            as_answers: whether they count for other photos with the same bytes.

        Returns:
            How many of the rows are of photos whose bytes another photo had before.
        """
        repeated = 0
        with self._connection:
            for row in rows:
                photo = photo_key(row)
                content = json.dumps(row.to_dict(), separators=(",", ":"))
                self._connection.execute("INSERT OR REPLACE INTO answers VALUES (?, ?)", (photo, content))
                if as_answers and row.sha256 is not None and not row.passing:
                    repeated += self._has_other(bytes.fromhex(row.sha256), photo)
        return repeated

    def _has_other(self, sha256: bytes, photo: bytes) -> bool:
        """Record the bytes of a photo, and return whether those of another were the same."""
        if self._connection.execute("INSERT OR IGNORE INTO same_bytes VALUES (?, ?)", (sha256, photo)).rowcount:
            return False
        found = self._connection.execute("SELECT photo FROM same_bytes WHERE sha256 = ?", (sha256,)).fetchone()
        return bool(found[0] != photo)

    def listed_first(self, photos: Sequence[str]) -> list[bool]:
        """Record that photos were listed, and return for each whether it is the first time."""
        with self._connection:
            return [
                bool(
                    self._connection.execute("INSERT OR IGNORE INTO listed VALUES (?)", (os.fsencode(photo),)).rowcount
                )
                for photo in photos
            ]

    def count_not_listed(self) -> int:
        """Return the number of rows whose photos were not listed."""
        query = "SELECT count(*) FROM answers WHERE photo NOT IN (SELECT photo FROM listed)"
        return int(self._connection.execute(query).fetchone()[0])

    def is_empty(self) -> bool:
        """Return whether there are no rows."""
        return self._connection.execute("SELECT 1 FROM answers LIMIT 1").fetchone() is None

    def has_rows_below(self, place: str) -> bool:
        """Return whether there are rows of photos in a folder, a tar file or a store."""
        start = os.fsencode(place.rstrip("/")) + b"/"
        end = start[:-1] + b"0"  # the character after the slash
        query = "SELECT 1 FROM answers WHERE photo >= ? AND photo < ? LIMIT 1"
        return self._connection.execute(query, (start, end)).fetchone() is not None

    def row_of_photo(self, photo: str) -> Row | None:
        """Return the row of a photo by its name."""
        return _row(self._connection, "SELECT content FROM answers WHERE photo = ?", os.fsencode(photo))

    def close(self) -> None:
        """Close and delete the index."""
        self._connection.close()
        self.delete()

    def delete(self) -> None:
        """Delete the file and what SQLite keeps beside it."""
        for suffix in ("", "-wal", "-shm"):
            Path(f"{self.path}{suffix}").unlink(missing_ok=True)


class SameBytes:
    """The index as the processes see it that answer photos.

    Args:
        path: of an `AnswerIndex` that another process writes.
    """

    def __init__(self, path: str) -> None:
        # Ray makes this object in one thread and uses it in another, one after the other.
        self._connection = sqlite3.connect(
            f"{Path(path).absolute().as_uri()}?mode=rw", uri=True, timeout=WAIT_SECONDS, check_same_thread=False
        )

    def row(self, sha256: str) -> Row | None:
        """Return the row of a photo whose bytes have this digest. None also if the index cannot be read now."""
        query = "SELECT content FROM same_bytes JOIN answers USING (photo) WHERE sha256 = ?"
        try:
            row = _row(self._connection, query, bytes.fromhex(sha256))
        except sqlite3.Error:
            return None
        # That photo may have other bytes now.
        return row if row is not None and row.sha256 == sha256 else None


def photo_key(row: Row) -> bytes:
    """Return the name of a row's photo as the bytes that the file system has."""
    return row.photo.encode() if row.photo_bytes is None else bytes.fromhex(row.photo_bytes)


def _row(connection: sqlite3.Connection, query: str, value: bytes) -> Row | None:
    with closing(connection.execute(query, (value,))) as found:
        content = found.fetchone()
    return None if content is None else Row.from_dict(json.loads(content[0]))
