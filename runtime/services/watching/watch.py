"""Watching a folder: each new photo is answered once, when its file is complete, also after a restart."""

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runtime.answers.answer import Answer, answer_to_dict, photo_name
from runtime.classifier import FlowerClassifier
from runtime.errors import FlowerError, PhotoError, TruncatedPhotoError
from runtime.photos.finding.left_out import left_out_message
from runtime.photos.finding.listing import photos_below
from runtime.photos.reading import unreadable
from runtime.services.watching.answer_log import AnswerLog, FileVersion
from runtime.services.watching.notices import Notices

Describe = Callable[[str, Answer], dict[str, Any]]
"""Name of a photo, answer → JSON values, the first of which is ``photo``."""

POLL_INTERVAL_S = 1.0
"""Seconds between two scans of the folder."""

STABLE_AFTER_S = 2.0
"""A file counts as complete when it has not changed for this many seconds."""

TRUNCATED_AFTER_S = 300.0
"""A photo that is cut off counts as damaged when its file has not changed for this many seconds. Before that, it can be
an upload that pauses."""

FIRST_RETRY_S, LONGEST_RETRY_S = 2.0, 120.0
"""Seconds until what may pass is tried again. Each pause is twice as long as the one before, up to the second value."""


@dataclass
class Waiting:
    """A photo without an answer."""

    version: FileVersion
    since: float
    """When this version was first seen. Like ``due``, by this process's clock: file times may come from another
    machine."""
    due: float
    """When the photo is tried next."""
    pause: float = FIRST_RETRY_S
    """Seconds until the next attempt, if the next one fails for a reason that may pass."""
    problem: str = ""
    """Why the last attempt failed."""


def watch(
    classifier: FlowerClassifier,
    folder: Path,
    log: AnswerLog,
    top: int,
    interval: float = POLL_INTERVAL_S,
    say: Callable[[str], None] = lambda _: None,
    *,
    describe: Describe = answer_to_dict,
    on_answer: Callable[[str, FileVersion, dict[str, Any]], None] = lambda *_: None,
    alive: Callable[[], None] = lambda: None,
) -> Iterator[str]:
    """Answer the photos in ``folder`` and below it as they arrive, for ever. Yields each line that was logged.

    A folder that disappears, as that of a disk that is taken out, is waited for. A photo whose file changes is answered
    again. A photo that is at fault gets a line with ``error``. What may pass (`FlowerError.passing`) is tried again and
    not logged. Lines contain the absolute paths of photos, so that a photo has one name for every way to write the
    folder's path.

    Args:
        classifier: names the flowers.
        folder: is scanned with all folders below it.
        log: records which photos are answered; new answers are appended to it. While that fails, the watch waits.
        top: classes in an answer.
        interval: seconds between two scans.
        say: shows a line to the user: what cannot be read now, and what is left out. Each is said once.
        describe: makes the JSON values of an answer.
        on_answer: takes the path of a photo, the version of its file and these values before the line is logged. After
            a ``kill -9`` between the two, the photo is answered again: nothing is lost, but an answer may come twice.
        alive: is called often: for each photo that a scan finds, and after each answer.

    Raises:
        FlowerError: the path of the log leads to another file, or the model failed. The photo is then not logged, and
            is answered after a restart.
    """
    folder = folder.resolve()
    waiting: dict[str, Waiting] = {}
    notices = Notices(say)
    kinds_left_out: set[str] = set()
    while True:
        now = time.monotonic()
        notices.next_scan()
        left_out: Counter[str] = Counter()
        present: dict[str, FileVersion] = {}
        for place, found in photos_present(folder, left_out):
            alive()  # a large folder, or one of a slow disk, takes minutes
            if isinstance(found, FileVersion):
                present[place] = found
            else:
                notices.report(place, f"{found}; it is tried again")
        if left_out.keys() - kinds_left_out:
            kinds_left_out |= left_out.keys()
            say(f"{folder}: {left_out_message(left_out)}")
        waiting = {
            photo: waiting[photo]
            if photo in waiting and waiting[photo].version == version
            else Waiting(version, now, now + STABLE_AFTER_S)
            for photo, version in present.items()
            if log.answered.get(photo) != version
        }
        for photo, state in waiting.items():
            if now >= state.due:
                entry = _entry(classifier, photo, top, state, describe)
                # If the file has changed or disappeared since the scan, perhaps only a part of it was read.
                if entry is not None and file_version(photo) == state.version:
                    if "error" not in entry:
                        on_answer(photo, state.version, entry)
                    yield _append(log, photo, state.version, entry, alive)
                alive()
            if state.problem:
                notices.report(photo, f"{state.problem}; it is tried again")
        alive()
        time.sleep(interval)


def photos_present(folder: Path, left_out: Counter[str]) -> Iterator[tuple[str, FileVersion | FlowerError]]:
    """Yield the photos that are in ``folder`` and below it now, and the photos and folders that cannot be looked at.

    Args:
        folder: where to look.
        left_out: see `runtime.photos.finding.listing.photos_below`.
    """
    for name, photo in photos_below(str(folder), left_out):
        if isinstance(photo, FlowerError):
            yield name, photo
            continue
        try:
            yield name, _version(name)
        except OSError as error:
            reason = unreadable(name, error)
            if reason.passing:  # otherwise the file has gone since its folder was read
                yield name, reason


def file_version(photo: str) -> FileVersion | None:
    """Return the current version of a file, or None if it does not exist or cannot be looked at."""
    try:
        return _version(photo)
    except OSError:
        return None


def _version(photo: str) -> FileVersion:
    status = os.stat(photo)  # noqa: PTH116 (a Path object for each photo costs time)
    return FileVersion(status.st_size, status.st_mtime_ns)


def _entry(
    classifier: FlowerClassifier, photo: str, top: int, state: Waiting, describe: Describe
) -> dict[str, Any] | None:
    """Return what is logged about a photo, or None if it is tried again, at the time that ``state`` then has."""
    state.problem = ""
    try:
        return describe(photo, classifier.predict(photo, top))
    except PhotoError as error:
        now = time.monotonic()
        if error.passing:
            state.problem = str(error)
            state.due, state.pause = now + state.pause, min(2 * state.pause, LONGEST_RETRY_S)
            return None
        if isinstance(error, TruncatedPhotoError) and now < state.since + TRUNCATED_AFTER_S:
            state.due = state.since + TRUNCATED_AFTER_S
            return None
        return {**photo_name(photo), "error": photo_name(str(error))["photo"]}


def _append(log: AnswerLog, photo: str, version: FileVersion, entry: dict[str, Any], alive: Callable[[], None]) -> str:
    """Append a line to the log and return it. While this fails, for example on a full disk, wait and try again."""
    pause = FIRST_RETRY_S
    while True:
        try:
            return log.append(photo, version, entry)
        except OSError as error:
            if pause == FIRST_RETRY_S:
                log.say(f"{log.path}: the answers cannot be written ({error.strerror or error}); it is tried again")
            alive()
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_RETRY_S)
