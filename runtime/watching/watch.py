"""Watching a folder: each new photo is answered once, when its file is complete, also after a restart."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from runtime.answer import answer_to_dict
from runtime.classifier import FlowerClassifier
from runtime.errors import FlowerError, PhotoError
from runtime.photos.listing import photos_below
from runtime.watching.answer_log import AnswerLog, FileVersion

POLL_INTERVAL_S = 1.0
"""Seconds between two scans of the folder."""

STABLE_AFTER_S = 2.0
"""A file counts as complete when it has not changed for this many seconds."""


def watch(
    classifier: FlowerClassifier, folder: Path, log: AnswerLog, top: int, interval: float = POLL_INTERVAL_S
) -> Iterator[str]:
    """Answer the photos in ``folder`` and below it as they arrive, for ever. Yields each line that was logged.

    A photo whose file changes is answered again. A photo that cannot be read gets a line with ``error``. Lines
    contain the absolute paths of photos, so that a photo has one name for every way to write the folder's path.

    Args:
        classifier: names the flowers.
        folder: is scanned with all folders below it.
        log: records which photos are answered; new answers are appended to it.
        top: classes in an answer.
        interval: seconds between two scans.

    Raises:
        FlowerError: the folder does not exist, or the model failed. The photo is then not logged, and is answered
            after a restart.
    """
    folder = folder.resolve()
    # Measured with this process's clock: file times may come from another machine.
    unchanged_since: dict[str, tuple[FileVersion, float]] = {}
    while True:
        if not folder.is_dir():
            raise FlowerError(f"{folder}: no such folder to watch")
        now = time.monotonic()
        present = dict(photos_present(folder))
        unanswered = {photo: version for photo, version in present.items() if log.answered.get(photo) != version}
        unchanged_since = {
            photo: unchanged_since[photo]
            if photo in unchanged_since and unchanged_since[photo][0] == version
            else (version, now)
            for photo, version in unanswered.items()
        }
        for photo, (version, since) in unchanged_since.items():
            if now - since >= STABLE_AFTER_S:
                entry = _entry(classifier, photo, top)
                # If the file has changed or disappeared since the scan, perhaps only a part of it was read.
                if file_version(photo) == version:
                    yield log.append(photo, version, entry)
        time.sleep(interval)


def photos_present(folder: Path) -> Iterator[tuple[str, FileVersion]]:
    """Yield the photos that are in ``folder`` and below it now."""
    for name, photo in photos_below(str(folder)):
        if isinstance(photo, FlowerError):
            continue
        version = file_version(name)
        if version is not None:
            yield name, version


def file_version(photo: str) -> FileVersion | None:
    """Return the current version of a file, or None if it does not exist."""
    try:
        status = os.stat(photo)  # noqa: PTH116 (a Path object for each photo costs time)
    except OSError:
        return None
    return FileVersion(status.st_size, status.st_mtime_ns)


def _entry(classifier: FlowerClassifier, photo: str, top: int) -> dict[str, Any]:
    try:
        return answer_to_dict(photo, classifier.predict(photo, top))
    except PhotoError as error:
        return {"photo": photo, "error": str(error)}
