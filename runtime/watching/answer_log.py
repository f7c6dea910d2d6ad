"""TODO from runtime.watching.watch."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runtime.errors import FlowerError

DEFAULT_LOG_NAME = "flower-infer.jsonl"
"""The file of answers in a watched folder, unless another is given."""


MAX_LINE = 16_000_000
"""Longest line of the file of answers that is written or believed, in bytes."""


LINE_PREFIX = b'{"photo": '
"""Of every line. What is cut off as half a line begins like this, so that no other file loses anything."""


@dataclass(frozen=True)
class FileVersion:
    """What tells one content of a file from the next."""

    size: int
    modified_ns: int


class AnswerLog:
    """The file of answers, open for appending by one process alone.

    Args:
        path: made if it does not exist.

    Raises:
        FlowerError: another process has it, or it is no file of answers.
        OSError: it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o666)
        _lock(self._handle, path)
        self.known: dict[str, FileVersion] = {}
        """Photo → the version of it that was answered last."""
        try:
            self._read()
        except BaseException:
            self.close()
            raise

    def _read(self) -> None:
        whole = 0
        foreign = FlowerError(f"{self.path}: not a file of answers; move it away or name another with --output")
        with os.fdopen(os.dup(self._handle), "rb") as file:
            file.seek(0)
            while line := file.readline(MAX_LINE):
                if not line.endswith(b"\n"):
                    if len(line) == MAX_LINE or line[: len(LINE_PREFIX)] != LINE_PREFIX[: len(line)]:
                        raise foreign
                    break
                whole += len(line)
                try:
                    entry = json.loads(line)
                    self.known[entry["photo"]] = FileVersion(entry["size"], entry["modified_ns"])
                except (ValueError, TypeError, KeyError, RecursionError):
                    raise foreign from None
        os.ftruncate(self._handle, whole)

    def append(self, photo: str, version: FileVersion, entry: dict[str, Any]) -> str:
        """Add a line on ``photo`` and return it; it is on the disk when this returns."""
        entry = {**entry, "size": version.size, "modified_ns": version.modified_ns}
        line = json.dumps(entry)
        content = (line + "\n").encode()
        if len(content) > MAX_LINE:
            raise FlowerError(f"an answer of {len(content):,} bytes is too long for a line; ask for fewer with --top")
        before = os.fstat(self._handle).st_size
        try:
            if os.write(self._handle, content) != len(content):
                raise OSError(28, os.strerror(28), str(self.path))  # a full disk takes what fits
            os.fsync(self._handle)
        except OSError:
            os.ftruncate(self._handle, before)
            raise
        self.known[photo] = version
        return line

    def close(self) -> None:
        """Give the file free for others."""
        os.close(self._handle)


@contextmanager
def open_answer_log(path: Path) -> Iterator[AnswerLog]:
    """The file of answers, given free at the end."""
    answers = AnswerLog(path)
    try:
        yield answers
    finally:
        answers.close()


def _lock(handle: int, path: Path) -> None:
    try:
        import fcntl
    except ImportError:  # not on Windows, where nothing keeps two watchers from one file
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise FlowerError(f"{path}: another flower-infer is writing it; stop that one or name another file") from None
