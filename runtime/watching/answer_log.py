"""The log of answers: a file of JSON lines that also records which photos were answered.

There is no second record that could contradict the log. A line is appended by one write and is on the disk before the
next photo is started. A power cut can leave an incomplete last line, or bytes of value 0 in its place; these are
removed at the next start. A file that is moved or removed meanwhile is noticed, and the log continues in a new one.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runtime.errors import FlowerError

DEFAULT_LOG_NAME = "flower-infer.jsonl"
"""The name of the log in a watched folder, unless ``--output`` names another file."""

MAX_LINE_BYTES = 16_000_000
"""Longest line that is written or read, in bytes."""

LINE_PREFIX = b'{"photo": '
"""The first bytes of every line. An incomplete last line is removed only if it begins with them. A file with another
beginning is not a log of answers and stays unchanged."""

UNAVAILABLE = "cannot be read ("
"""Before version 0.4, a photo that could not be read for the moment was logged with these words. It is tried again."""


@dataclass(frozen=True)
class FileVersion:
    """Size and time of a file, which show whether its content changed."""

    size: int
    modified_ns: int


class AnswerLog:
    """The log of answers, open for appending by one process at a time.

    Args:
        path: of the file, which is created if it does not exist.

    Raises:
        FlowerError: another process has opened the log, or the file is not a log of answers.
        OSError: the file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._handle = _open_and_lock(path)
        self.removed_bytes = 0
        """How much of the end of the file was removed at the start, because it was incomplete."""
        self.answered: dict[str, FileVersion] = {}
        """Photo → the version of its file that was answered last."""
        try:
            self._read()
        except BaseException:
            self.close()
            raise

    def _read(self) -> None:
        complete_bytes = position = 0
        not_a_log = FlowerError(f"{self.path}: not a log of answers; move this file or name another one with --output")
        with os.fdopen(os.dup(self._handle), "rb") as file:
            file.seek(0)
            while line := file.readline(MAX_LINE_BYTES):
                position += len(line)
                text = line.strip(b"\0\n")
                if not line.endswith(b"\n"):
                    if len(line) == MAX_LINE_BYTES or text[: len(LINE_PREFIX)] != LINE_PREFIX[: len(text)]:
                        raise not_a_log
                    break
                if not text and b"\0" in line:
                    continue
                try:
                    self._remember(json.loads(text))
                except (ValueError, TypeError, KeyError, RecursionError):
                    raise not_a_log from None
                complete_bytes = position
        self.removed_bytes = position - complete_bytes
        os.ftruncate(self._handle, complete_bytes)

    def _remember(self, entry: dict[str, Any]) -> None:
        name = os.fsdecode(bytes.fromhex(entry["photo_bytes"])) if "photo_bytes" in entry else entry["photo"]
        if UNAVAILABLE in entry.get("error", ""):
            self.answered.pop(name, None)
        else:
            self.answered[name] = FileVersion(entry["size"], entry["modified_ns"])

    def append(self, photo: str, version: FileVersion, entry: dict[str, Any]) -> str:
        """Append a line about ``photo`` and return it. The line is on the disk when this returns.

        Args:
            photo: its path.
            version: of the file that was answered.
            entry: JSON values; size and time of the file are added.

        Raises:
            FlowerError: the line is too long.
            OSError: the line cannot be written. The log is as it was before, and the call can be repeated.
        """
        entry = {**entry, "size": version.size, "modified_ns": version.modified_ns}
        line = json.dumps(entry)
        content = (line + "\n").encode()
        if len(content) > MAX_LINE_BYTES:
            raise FlowerError(f"an answer of {len(content):,} bytes is too long for a line; ask for fewer with --top")
        self._follow_path()
        before = os.fstat(self._handle).st_size
        try:
            if os.write(self._handle, content) != len(content):
                raise OSError(28, os.strerror(28), str(self.path))  # a full disk accepts only a part
            os.fsync(self._handle)
        except OSError:
            # Only to remove what was written: if another program has emptied the file, this would fill it with zeros.
            if os.fstat(self._handle).st_size > before:
                os.ftruncate(self._handle, before)
            raise
        self.answered[photo] = version
        return line

    def _follow_path(self) -> None:
        """Open the file anew if it was moved or removed, for example by logrotate."""
        try:
            if os.path.samestat(self.path.stat(), os.fstat(self._handle)):
                return
        except FileNotFoundError:
            pass
        handle = _open_and_lock(self.path)
        os.close(self._handle)
        self._handle = handle

    def close(self) -> None:
        """Close the file and release its lock."""
        os.close(self._handle)


@contextmanager
def open_answer_log(path: Path) -> Iterator[AnswerLog]:
    """Open the log of answers, and close it at the end of the context."""
    log = AnswerLog(path)
    try:
        yield log
    finally:
        log.close()


def _open_and_lock(path: Path) -> int:
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o666)
    _lock(handle, path)
    return handle


def _lock(handle: int, path: Path) -> None:
    try:
        import fcntl
    except ImportError:  # Windows has no fcntl: two watches of one log are not detected there
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise FlowerError(
            f"{path}: another flower-infer is writing this log; stop it or name another file with --output"
        ) from None
