"""The log of answers: a file of JSON lines that also records which photos were answered.

There is no second record that could contradict the log. A line is on the disk before the next photo is started. A power
cut can leave a last line that is incomplete, or whose blocks are full of NUL bytes: file systems such as ext4 and f2fs
may store the new size of a file before its content. Such a line is removed at the next start.

The file may be moved, removed or emptied at any time (logrotate). The next line then goes to the file that has the
path at that time. Moved files beside it, with the names that logrotate gives, still say what was answered.
"""

import glob
import gzip
import json
import os
import re
import stat
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from runtime.errors import FlowerError
from runtime.files.atomic import flush_folder
from runtime.files.lock import lock_file

DEFAULT_LOG_NAME = "flower-infer.jsonl"
"""The name of the log in a watched folder, unless ``--output`` names another file."""

MAX_LINE_BYTES = 16_000_000
"""Longest line that is written or read, in bytes."""

LINE_PREFIX = b'{"photo": '
"""The first bytes of every line. A damaged last line is removed only if it begins with them, apart from NUL bytes. A
file with another beginning is not a log of answers and stays unchanged."""

DAMAGED_LINE = re.compile(rb"[\0 -~]*|[ -~]*\0[\0 -~]*\n")
"""What a power cut leaves of a line, which is ASCII: no end, or NUL bytes inside."""

PASSING_ERRORS = (": cannot be read (", "too large for this machine's memory")
"""Parts of errors that versions up to 0.3 logged although they pass. Such photos count as not yet answered."""

MOVED_LOG = re.compile(r"(\.\d+|-\d{8}(-\d+|\d{0,6}))(\.gz)?")
"""What logrotate puts behind the name of a log that it moves."""
MAX_MOVED_LOGS = 400
"""Most moved logs that are read, the newest: those of a year, if a log is moved each day."""


@dataclass(frozen=True, slots=True)
class FileVersion:
    """Size and time of a file, which show whether its content changed."""

    size: int
    modified_ns: int


class AnswerLog:
    """The log of answers, open for appending by one process at a time.

    Args:
        path: of the file, which is created if it does not exist.
        say: shows a line about the log to the user.

    Raises:
        FlowerError: another process has opened the log, or the file is not a log of answers.
        OSError: the file cannot be written.
    """

    def __init__(self, path: Path, say: Callable[[str], None] = lambda _: None) -> None:
        self.path = path
        self.say = say
        self.answered: dict[str, FileVersion] = {}
        """Photo → the version of its file that was answered last."""
        self._surplus = 0
        """Bytes at the end of the file that belong to a line that could not be written."""
        self._read_moved_logs()
        self._handle = self._open()

    def _read_moved_logs(self) -> None:
        """Record the photos of the logs that were moved before. What cannot be read there is answered again."""
        found = [
            file
            for file in self.path.parent.glob(f"{glob.escape(self.path.name)}[.-]*")
            if MOVED_LOG.fullmatch(file.name.removeprefix(self.path.name)) and file.is_file()
        ]
        for path in sorted(found, key=lambda file: file.stat().st_mtime_ns)[-MAX_MOVED_LOGS:]:
            with suppress(OSError, EOFError, zlib.error), _reader(path) as file:
                while line := file.readline(MAX_LINE_BYTES):
                    self._record(line.lstrip(b"\0"))

    def _open(self) -> int:
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o666)
        try:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise FlowerError(f"{self.path}: not a file that can hold answers; name another one with --output")
            _lock(handle, self.path)
            self._read(handle)
            flush_folder(self.path.parent)  # a new file, or one that was renamed
        except BaseException:
            os.close(handle)
            raise
        return handle

    def _read(self, handle: int) -> None:
        """Record the photos of all lines, and remove damaged lines at the end."""
        complete_bytes = read_bytes = 0
        with os.fdopen(os.dup(handle), "rb") as file:
            file.seek(0)
            while line := file.readline(MAX_LINE_BYTES):
                read_bytes += len(line)
                # NUL bytes before a whole line are what is left of lines before it.
                if line.endswith(b"\n") and self._record(line.lstrip(b"\0")):
                    complete_bytes = read_bytes
                elif len(line) == MAX_LINE_BYTES or not _is_damaged(line):
                    raise FlowerError(
                        f"{self.path}: not a log of answers; move this file or name another one with --output"
                    )
        if complete_bytes < read_bytes:
            os.ftruncate(handle, complete_bytes)
            self.say(f"{self.path}: the last line was incomplete and is removed; its photo is answered again")

    def _record(self, line: bytes) -> bool:
        """Record the photo of a line, and return whether the line is valid."""
        try:
            entry = json.loads(line)
            # A name that is no valid text is in hexadecimal, too (`runtime.answers.answer.photo_name`).
            is_text = "photo_bytes" not in entry
            photo = entry["photo"] if is_text else os.fsdecode(bytes.fromhex(entry["photo_bytes"]))
            version = FileVersion(entry["size"], entry["modified_ns"])
            if not any(part in entry.get("error", "") for part in PASSING_ERRORS):
                self.answered[photo] = version
        except (ValueError, TypeError, KeyError, RecursionError):
            return False
        return True

    def append(self, photo: str, version: FileVersion, entry: dict[str, Any]) -> str:
        """Append a line about ``photo`` and return it. The line is on the disk when this returns.

        Args:
            photo: its path.
            version: of the file that was answered.
            entry: JSON values; size and time of the file are added.

        Raises:
            FlowerError: the line is too long.
            OSError: the line cannot be written. The log is as it was before.
        """
        entry = {**entry, "size": version.size, "modified_ns": version.modified_ns}
        line = json.dumps(entry)
        content = (line + "\n").encode()
        if len(content) > MAX_LINE_BYTES:
            raise FlowerError(f"an answer of {len(content):,} bytes is too long for a line; ask for fewer with --top")
        self._follow_path()
        self._remove_surplus()
        try:
            while self._surplus < len(content):  # a full disk accepts a part before it fails
                self._surplus += os.write(self._handle, content[self._surplus :])
            os.fsync(self._handle)
        except OSError:
            with suppress(OSError):  # if this fails, too, it is done before the next line
                self._remove_surplus()
            raise
        self._surplus = 0
        self.answered[photo] = version
        return line

    def _follow_path(self) -> None:
        """Open the log again if its path leads to another file now, or to none."""
        try:
            if os.path.samestat(os.fstat(self._handle), os.stat(self.path)):  # noqa: PTH116 (compared with fstat)
                return
        except OSError:  # the file is gone; on a network disk, the open one may be gone as well
            pass
        moved, self._handle = self._handle, self._open()
        self._surplus = 0
        with suppress(OSError):
            os.close(moved)
        self.say(f"{self.path}: was moved or removed; the answers go to a new file of this name")

    def _remove_surplus(self) -> None:
        # Counted from the end that the file has now: it may have been emptied, and must not be extended by NUL bytes.
        if self._surplus:
            os.ftruncate(self._handle, max(0, os.fstat(self._handle).st_size - self._surplus))
            self._surplus = 0

    def close(self) -> None:
        """Close the file and release its lock."""
        os.close(self._handle)


@contextmanager
def open_answer_log(path: Path, say: Callable[[str], None] = lambda _: None) -> Iterator[AnswerLog]:
    """Open the log of answers, and close it at the end of the context."""
    log = AnswerLog(path, say)
    try:
        yield log
    finally:
        log.close()


def _reader(path: Path) -> IO[bytes]:
    """Open a log that may be compressed."""
    return cast("IO[bytes]", gzip.open(path)) if path.suffix == ".gz" else path.open("rb")


def _lock(handle: int, path: Path) -> None:
    with suppress(OSError):  # some network disks have no locks
        if not lock_file(handle):
            raise FlowerError(
                f"{path}: another flower-infer is writing this log; stop it or name another file with --output"
            )


def _is_damaged(line: bytes) -> bool:
    """Return whether ``line`` can be what a power cut left of a line of this log."""
    beginning = all(byte in (0, expected) for byte, expected in zip(line, LINE_PREFIX, strict=False))
    return beginning and DAMAGED_LINE.fullmatch(line) is not None
