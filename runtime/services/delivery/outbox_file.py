"""The file of the outbox: an SQLite database with the events that wait for their receivers.

The journal is a write-ahead log, and freed pages are used again, so that little is written to an SD card. A new event
is flushed to the disk. That an event was taken is not: after a power cut it may be delivered again.
"""

import json
import os
import sqlite3
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from pathlib import Path

from runtime.errors import FlowerError
from runtime.files.atomic import flush_folder
from runtime.services.delivery.event import AnswerEvent

APPLICATION_ID = 0x464C4F57
"""Marks the database as an outbox: ``FLOW`` in ASCII."""
VERSION = 1
"""Of the tables."""
JOURNAL_BYTES, JOURNAL_PAGES = 1_000_000, 250
"""The journal is written into the database at this many pages, and cut to this size after it was longer. It is short,
so that a disk that is almost full can still be used."""
SPARE_PAGES = 256
"""Once nothing waits, more free pages than these are given back to the file system. A page has 4 KB."""
LOCK_S = 1.0
"""Seconds to wait for another process that is about to close the file."""
TABLES = """
CREATE TABLE IF NOT EXISTS event (sequence INTEGER PRIMARY KEY, answer TEXT NOT NULL, picture BLOB);
CREATE TABLE IF NOT EXISTS waiting (
    sequence INTEGER NOT NULL, receiver TEXT NOT NULL, size INTEGER NOT NULL, PRIMARY KEY (sequence, receiver)
) WITHOUT ROWID;
"""

Waiting = tuple[int, str]
"""An event that waits: its sequence number, and the name of a receiver."""


def event_bytes(event: AnswerEvent) -> int:
    """Return the bytes of an event that count for the limits."""
    return len(event.to_json()) + len(event.picture or b"")


def is_damage(error: Exception) -> bool:
    """Return whether the content of the file is damaged, so that a new attempt cannot help."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class OutboxFile:
    """The database, open for one process. Callers must not use it from two threads at the same time.

    Args:
        path: of the file. Missing folders are made for the user alone (mode 700).
        say: shows a line to the user. A damaged file is moved aside and said.

    Raises:
        FlowerError: another process has opened the file, it is not an outbox, or it cannot be written.
    """

    def __init__(self, path: Path, say: Callable[[str], None]) -> None:
        self.path = path
        self.say = say
        self._connection: sqlite3.Connection | None = None
        """None if it could not be opened again."""
        try:
            _make_folders(path.parent)
            try:
                self._connection = self._open()
            except sqlite3.DatabaseError as error:
                if not is_damage(error):
                    raise
                self.move_aside()
        except sqlite3.DatabaseError as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY:
                raise FlowerError(
                    f"{path}: another process uses this outbox; stop it or name another file with --outbox"
                ) from None
            raise self._cannot_open(error) from None
        except OSError as error:
            raise self._cannot_open(error.strerror or error) from None

    def _cannot_open(self, reason: object) -> FlowerError:
        error = FlowerError(f"{self.path}: the outbox cannot be opened ({reason}); check its folder and the disk")
        error.passing = True
        return error

    def _open(self) -> sqlite3.Connection:
        # Created here, because SQLite would let other users read it. Its journal gets the same permissions.
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
        flush_folder(self.path.parent)
        connection = sqlite3.connect(self.path, timeout=LOCK_S, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            ours, tables = connection.execute(
                "SELECT (SELECT application_id FROM pragma_application_id), (SELECT count(*) FROM sqlite_master)"
            ).fetchone()
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if (tables and ours != APPLICATION_ID) or version > VERSION:
                raise FlowerError(f"{self.path}: not an outbox of this version; move this file or name another one")
            if not tables:
                connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA secure_delete = OFF")  # Debian's SQLite would write zeros over what was taken
            connection.execute(f"PRAGMA journal_size_limit = {JOURNAL_BYTES}")
            connection.execute(f"PRAGMA wal_autocheckpoint = {JOURNAL_PAGES}")
            if not tables:
                connection.executescript(
                    f"BEGIN EXCLUSIVE; {TABLES} PRAGMA application_id = {APPLICATION_ID}; "
                    f"PRAGMA user_version = {VERSION}; COMMIT;"
                )
            # The lock of WAL is taken with the first read or write, and kept.
            connection.execute("BEGIN EXCLUSIVE")
            connection.execute("COMMIT")
            (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            if found != "ok":
                error = sqlite3.DatabaseError(found)
                error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
                raise error
        except BaseException:
            connection.close()
            raise
        return connection

    def move_aside(self) -> None:
        """Rename the damaged file and begin a new one. An older damaged file is replaced.

        Raises:
            sqlite3.Error: the new file cannot be made.
            OSError: the damaged one cannot be renamed.
        """
        self.close()
        aside = self.path.with_name(self.path.name + ".damaged")
        self.path.replace(aside)
        for suffix in ("-wal", "-shm"):
            with suppress(FileNotFoundError):
                Path(f"{self.path}{suffix}").replace(f"{aside}{suffix}")
        self.say(f"{self.path}: the outbox is damaged and was moved to {aside.name}; the answers in it are lost")
        self._connection = self._open()

    def start_again(self) -> None:
        """Begin a new file in the place of one in which nothing waits. That works on a full disk, too.

        Raises:
            sqlite3.Error: the new file cannot be made.
            OSError: the same.
        """
        self.close()
        for suffix in ("", "-wal", "-shm"):
            Path(f"{self.path}{suffix}").unlink(missing_ok=True)
        self._connection = self._open()

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = self._open()
        return self._connection

    def waiting(self) -> list[tuple[int, str, int]]:
        """Return what waits, the oldest first: sequence number, name of the receiver, bytes."""
        return self._opened().execute("SELECT sequence, receiver, size FROM waiting ORDER BY sequence").fetchall()

    def load(self, sequence: int) -> AnswerEvent | None:
        """Return an event; None if the file does not have it.

        Raises:
            sqlite3.Error: the file cannot be read. So say `OSError` and `FlowerError`, if it had to be opened again.
        """
        row = self._opened().execute("SELECT answer, picture FROM event WHERE sequence = ?", (sequence,)).fetchone()
        return None if row is None else AnswerEvent(json.loads(row[0]), row[1])

    def write(
        self,
        add: Mapping[int, tuple[AnswerEvent, Collection[str]]],
        remove: Collection[Waiting],
        *,
        durable: bool,
    ) -> None:
        """Add and remove in one transaction.

        Args:
            add: sequence number → the event and the names of the receivers it waits for.
            remove: what does not wait any more.
            durable: return when the change is on the disk, so that a power cut does not undo it.

        Raises:
            sqlite3.Error: nothing was changed. So say `OSError` and `FlowerError`, if it had to be opened again.
        """
        connection = self._opened()
        execute = connection.execute
        execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
        execute("BEGIN IMMEDIATE")
        try:
            for sequence, (event, receivers) in add.items():
                execute("INSERT INTO event VALUES (?, ?, ?)", (sequence, event.to_json(), event.picture))
                rows = [(sequence, receiver, event_bytes(event)) for receiver in receivers]
                connection.executemany("INSERT INTO waiting VALUES (?, ?, ?)", rows)
            connection.executemany("DELETE FROM waiting WHERE sequence = ? AND receiver = ?", remove)
            connection.executemany(
                "DELETE FROM event WHERE sequence = ? AND sequence NOT IN (SELECT sequence FROM waiting)",
                [(sequence,) for sequence, _ in remove],
            )
            execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):  # SQLite ends some failed transactions itself
                execute("ROLLBACK")
            raise

    def give_back_space(self) -> None:
        """Shrink the file if it has many free pages. Called when nothing waits."""
        connection = self._opened()
        (free,) = connection.execute("PRAGMA freelist_count").fetchone()
        if free > SPARE_PAGES:
            # Not `execute`, which takes one step of a statement without columns: one page.
            connection.executescript("PRAGMA incremental_vacuum")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        """Write the journal into the file and release the lock."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()


def _make_folders(folder: Path) -> None:
    """Make a folder and the missing ones above it, each for the user alone."""
    for each in (*reversed(folder.parents), folder):
        if not each.exists():
            each.mkdir(mode=0o700, exist_ok=True)
