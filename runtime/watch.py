"""Watching a folder: each new photo is answered once, when it has arrived, also over restarts.

What has been answered is read from the file of answers itself, so there is no second record that could disagree with
it. A line is appended by one write and reaches the disk before the next photo is begun; half a line, which only a power
cut can leave, is cut off at the next start.
"""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runtime.classifier import FlowerClassifier
from runtime.errors import FlowerError, PhotoError
from runtime.listing import photos_below
from runtime.output import to_dict

ANSWERS = "flower-infer.jsonl"
"""The file of answers in a watched folder, unless another is given."""

EVERY_S = 1.0
"""Seconds from one look at the folder to the next."""

SETTLED_S = 2.0
"""Seconds for which a file must have been the same before it counts as complete."""

MAX_LINE = 16_000_000
"""Longest line of the file of answers that is written or believed, in bytes."""

BEGINNING = b'{"photo": '
"""Of every line. What is cut off as half a line begins like this, so that no other file loses anything."""


@dataclass(frozen=True)
class Version:
    """What tells one content of a file from the next."""

    size: int
    modified_ns: int


class Answers:
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
        self.known: dict[str, Version] = {}
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
                    if len(line) == MAX_LINE or line[: len(BEGINNING)] != BEGINNING[: len(line)]:
                        raise foreign
                    break
                whole += len(line)
                try:
                    entry = json.loads(line)
                    self.known[entry["photo"]] = Version(entry["size"], entry["modified_ns"])
                except (ValueError, TypeError, KeyError, RecursionError):
                    raise foreign from None
        os.ftruncate(self._handle, whole)

    def append(self, photo: str, version: Version, entry: dict[str, Any]) -> str:
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
def opened_answers(path: Path) -> Iterator[Answers]:
    """The file of answers, given free at the end."""
    answers = Answers(path)
    try:
        yield answers
    finally:
        answers.close()


def watch(
    classifier: FlowerClassifier, folder: Path, answers: Answers, top: int, every: float = EVERY_S
) -> Iterator[str]:
    """Answer the photos in ``folder`` and below it as they arrive, for ever; yields each line that was appended.

    A photo that is changed is answered anew. One that cannot be read gets a line with ``error``. Lines name photos by
    their absolute paths: however the folder is spelled, a photo is the same one.

    Raises:
        FlowerError: the folder is gone, or the model failed; no photo is to blame for that, and none is marked.
    """
    folder = folder.resolve()
    # By this process's own clock: the times on files may be another machine's.
    since: dict[str, tuple[Version, float]] = {}
    while True:
        if not folder.is_dir():
            raise FlowerError(f"{folder}: no such folder to watch")
        now = time.monotonic()
        found = dict(arrived(folder))
        unanswered = {photo: version for photo, version in found.items() if answers.known.get(photo) != version}
        since = {
            photo: since[photo] if photo in since and since[photo][0] == version else (version, now)
            for photo, version in unanswered.items()
        }
        for photo, (version, first) in since.items():
            if now - first >= SETTLED_S:
                entry = _entry(classifier, photo, top)
                # What was changed or taken away meanwhile was perhaps read in part.
                if version_of(photo) == version:
                    yield answers.append(photo, version, entry)
        time.sleep(every)


def arrived(folder: Path) -> Iterator[tuple[str, Version]]:
    """The photos in ``folder`` now."""
    for name, photo in photos_below(str(folder)):
        if isinstance(photo, FlowerError):
            continue
        version = version_of(name)
        if version is not None:
            yield name, version


def version_of(photo: str) -> Version | None:
    """What the file is now; None: it is gone."""
    try:
        status = os.stat(photo)  # noqa: PTH116
    except OSError:
        return None
    return Version(status.st_size, status.st_mtime_ns)


def _entry(classifier: FlowerClassifier, photo: str, top: int) -> dict[str, Any]:
    try:
        return to_dict(photo, classifier.predict(photo, top))
    except PhotoError as error:
        return {"photo": photo, "error": str(error)}


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
