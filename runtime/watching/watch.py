"""Watching a folder: each new photo is answered once, when its file is complete, also after a restart."""

import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runtime.answer import answer_to_dict, photo_name
from runtime.classifier import FlowerClassifier
from runtime.errors import (
    FlowerError,
    NotEnoughMemoryError,
    PhotoError,
    TruncatedPhotoError,
    UnavailablePhotoError,
)
from runtime.photos.left_out import LeftOut
from runtime.photos.listing import photos_below
from runtime.watching.answer_log import AnswerLog, FileVersion

POLL_INTERVAL_S = 1.0
"""Seconds between two scans of the folder."""

STABLE_AFTER_S = 2.0
"""A file counts as complete when it has not changed for this many seconds."""

TRUNCATED_AFTER_S = 60.0
"""A file whose end is missing counts as damaged when it has not changed for this many seconds. An upload may pause."""

FIRST_PAUSE_S, LONGEST_PAUSE_S = 2.0, 300.0
"""Seconds until something is tried again for the first time; each further pause is twice as long, up to the second
value."""


@dataclass
class _Unanswered:
    """A photo that is not answered yet."""

    version: FileVersion
    unchanged_since: float
    """By this process's clock. File times may come from another machine."""
    next_try: float
    pause: float = FIRST_PAUSE_S


class Watch:
    """Answers the photos in a folder and below it as they arrive.

    A photo whose file changes is answered again. A photo that is damaged gets a line with ``error``. What is not the
    photo's fault (permissions, a network drive, too little memory, a full disk) is tried again with growing pauses.
    Lines contain the absolute paths of photos, so that a photo has one name for every way to write the folder's path.

    Args:
        classifier: names the flowers.
        folder: is scanned with all folders below it.
        log: records which photos are answered; new answers are appended to it.
        top: classes in an answer.
        interval: seconds between two scans.
        report: receives a sentence about each thing that goes wrong, once.

    Raises:
        FlowerError: the folder does not exist.
    """

    def __init__(
        self,
        classifier: FlowerClassifier,
        folder: Path,
        log: AnswerLog,
        top: int,
        interval: float = POLL_INTERVAL_S,
        report: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._classifier, self._folder, self._log, self._top = classifier, folder.resolve(), log, top
        self._interval, self._report = interval, report
        self._unanswered: dict[str, _Unanswered] = {}
        self._said: set[str] = set()
        if not self._folder.is_dir():
            raise FlowerError(f"{folder}: no such folder to watch")
        if log.removed_bytes:
            self._say(f"{log.path}: an incomplete last answer was removed; its photo is answered again")

    def lines(self) -> Iterator[str]:
        """Yield each line that is logged, for ever.

        Raises:
            FlowerError: the model failed. The photo is then not logged, and is answered after a restart.
        """
        while True:
            for photo, state in self._scan(time.monotonic()):
                entry = self._entry(photo, state)
                # If the file has changed or disappeared since the scan, perhaps only a part of it was read.
                if entry is not None and file_version(photo) == state.version:
                    yield self._write(photo, state.version, entry)
            time.sleep(self._interval)

    def _scan(self, now: float) -> list[tuple[str, _Unanswered]]:
        """Return the photos that are to be tried now."""
        present = self._photos_present()
        before = self._unanswered
        self._unanswered = {
            photo: before[photo]
            if photo in before and before[photo].version == version
            else _Unanswered(version, now, now + STABLE_AFTER_S)
            for photo, version in present.items()
            if self._log.answered.get(photo) != version
        }
        return [(photo, state) for photo, state in self._unanswered.items() if now >= state.next_try]

    def _photos_present(self) -> dict[str, FileVersion]:
        present = {}
        left_out = LeftOut()
        for name, photo in photos_below(str(self._folder), left_out):
            if isinstance(photo, FlowerError):
                self._say(f"{photo}; it is tried again")
            elif (version := file_version(name)) is not None:
                present[name] = version
        for sentence in left_out.sentences():
            self._say(sentence)
        return present

    def _entry(self, photo: str, state: _Unanswered) -> dict[str, Any] | None:
        """Return what to log about a photo, or None if it is to be tried again later."""
        now = time.monotonic()
        try:
            return answer_to_dict(photo, self._classifier.predict(photo, self._top))
        except (UnavailablePhotoError, NotEnoughMemoryError) as error:
            self._say(f"{error}; it is tried again")
        except TruncatedPhotoError as error:
            if now - state.unchanged_since >= TRUNCATED_AFTER_S:
                return {**photo_name(photo), "error": photo_name(str(error))["photo"]}
        except PhotoError as error:
            return {**photo_name(photo), "error": photo_name(str(error))["photo"]}
        state.next_try, state.pause = now + state.pause, min(2 * state.pause, LONGEST_PAUSE_S)
        return None

    def _write(self, photo: str, version: FileVersion, entry: dict[str, Any]) -> str:
        """Append an entry to the log. Waits while the disk is full or the file cannot be written."""
        pause = FIRST_PAUSE_S
        while True:
            try:
                return self._log.append(photo, version, entry)
            except OSError as error:
                self._say(f"{self._log.path}: the answers cannot be written ({error.strerror or error}); trying again")
                time.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE_S)

    def _say(self, sentence: str) -> None:
        """Report a sentence, unless it was reported with the same or other numbers."""
        without_numbers = re.sub(r"[\d,]+ ", "", sentence)
        if without_numbers not in self._said:
            self._said.add(without_numbers)
            self._report(sentence)


def file_version(photo: str) -> FileVersion | None:
    """Return the current version of a file, or None if it does not exist."""
    try:
        status = os.stat(photo)  # noqa: PTH116 (a Path object for each photo costs time)
    except OSError:
        return None
    return FileVersion(status.st_size, status.st_mtime_ns)
