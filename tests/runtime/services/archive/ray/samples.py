"""What the tests of this folder share."""

import io
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from runtime.services.archive.engines.engine import Task
from runtime.services.archive.row import Row
from runtime.services.archive.sources.photo import ArchivePhoto

BUCKET = "garden"
SECRET = "secret-of-the-test"  # noqa: S105 (of a server that the test starts)


def picture(colour: tuple[int, int, int]) -> bytes:
    """The bytes of a small photo of one colour."""
    buffer = io.BytesIO()
    Image.new("RGB", (20, 20), colour).save(buffer, "PNG")
    return buffer.getvalue()


def photos_in(folder: Path, number: int) -> list[ArchivePhoto]:
    """New photos, no two of which have the same bytes."""
    photos = []
    for index in range(number):
        path = folder / f"{index:03}.png"
        path.write_bytes(picture((250, index % 256, index // 2)))
        photos.append(ArchivePhoto(str(path), size=path.stat().st_size, modified_ns=path.stat().st_mtime_ns))
    return photos


def tasks_of(photos: Sequence[ArchivePhoto], size: int) -> list[Task]:
    """Tasks of ``size`` photos."""
    return [
        Task(0, tuple(range(start, min(start + size, len(photos)))), tuple(photos[start : start + size]))
        for start in range(0, len(photos), size)
    ]


def by_photo(answers: Sequence[tuple[Task, list[Row]]]) -> dict[str, Row]:
    """The rows by photo; each task is there once, with a row for each of its photos."""
    assert set(Counter(task.positions for task, _ in answers).values()) == {1}
    assert all([row.photo for row in rows] == [photo.name for photo in task.photos] for task, rows in answers)
    return {row.photo: row for _, rows in answers for row in rows}
