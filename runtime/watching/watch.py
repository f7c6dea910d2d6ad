"""Watching a folder: each new photo is answered once, when it has arrived, also over restarts.

What has been answered is read from the file of answers itself, so there is no second record that could disagree with
it. A line is appended by one write and reaches the disk before the next photo is begun; half a line, which only a power
cut can leave, is cut off at the next start.
"""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from runtime.classifier import FlowerClassifier
from runtime.command_line.answer_formats import to_dict
from runtime.errors import FlowerError, PhotoError
from runtime.photos.listing import photos_below
from runtime.watching.answer_log import AnswerLog, FileVersion

POLL_INTERVAL_S = 1.0
"""Seconds from one look at the folder to the next."""


STABLE_AFTER_S = 2.0
"""Seconds for which a file must have been the same before it counts as complete."""


def watch(
    classifier: FlowerClassifier, folder: Path, answers: AnswerLog, top: int, every: float = POLL_INTERVAL_S
) -> Iterator[str]:
    """Answer the photos in ``folder`` and below it as they arrive, for ever; yields each line that was appended.

    A photo that is changed is answered anew. One that cannot be read gets a line with ``error``. Lines name photos by
    their absolute paths: however the folder is spelled, a photo is the same one.

    Raises:
        FlowerError: the folder is gone, or the model failed; no photo is to blame for that, and none is marked.
    """
    folder = folder.resolve()
    # By this process's own clock: the times on files may be another machine's.
    since: dict[str, tuple[FileVersion, float]] = {}
    while True:
        if not folder.is_dir():
            raise FlowerError(f"{folder}: no such folder to watch")
        now = time.monotonic()
        found = dict(photos_present(folder))
        unanswered = {photo: version for photo, version in found.items() if answers.known.get(photo) != version}
        since = {
            photo: since[photo] if photo in since and since[photo][0] == version else (version, now)
            for photo, version in unanswered.items()
        }
        for photo, (version, first) in since.items():
            if now - first >= STABLE_AFTER_S:
                entry = _entry(classifier, photo, top)
                # What was changed or taken away meanwhile was perhaps read in part.
                if file_version(photo) == version:
                    yield answers.append(photo, version, entry)
        time.sleep(every)


def photos_present(folder: Path) -> Iterator[tuple[str, FileVersion]]:
    """The photos in ``folder`` now."""
    for name, photo in photos_below(str(folder)):
        if isinstance(photo, FlowerError):
            continue
        version = file_version(name)
        if version is not None:
            yield name, version


def file_version(photo: str) -> FileVersion | None:
    """What the file is now; None: it is gone."""
    try:
        status = os.stat(photo)  # noqa: PTH116
    except OSError:
        return None
    return FileVersion(status.st_size, status.st_mtime_ns)


def _entry(classifier: FlowerClassifier, photo: str, top: int) -> dict[str, Any]:
    try:
        return to_dict(photo, classifier.predict(photo, top))
    except PhotoError as error:
        return {"photo": photo, "error": str(error)}
