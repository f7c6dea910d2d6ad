"""Processes that answer the photos of an archive."""

import multiprocessing
import os
import signal
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image

from runtime.errors import FlowerError
from runtime.services.archive import answering
from runtime.services.archive.answering import Answerer, AnswerSettings
from runtime.services.archive.engines.engine import Task
from runtime.services.archive.engines.local_engine import LocalEngine
from runtime.services.archive.row import Row
from runtime.services.archive.sources.photo import ArchivePhoto
from runtime.services.archive.sources.reading import read_archive_photo
from tests.samples.tiny_model import save_tiny_model

PHOTOS_OF_A_TASK = 4


@pytest.fixture
def settings(tmp_path: Path) -> AnswerSettings:
    return AnswerSettings(model=str(save_tiny_model(tmp_path / "tiny.onnx")), digest="0123456789abcdef", top=2)


@pytest.fixture
def tasks(tmp_path: Path) -> list[Task]:
    photos = []
    for number in range(8 * PHOTOS_OF_A_TASK):
        path = tmp_path / f"{number:02}.png"
        Image.new("RGB", (20, 20), (250, 6 * number, 10)).save(path)
        photos.append(ArchivePhoto(str(path), size=path.stat().st_size, modified_ns=path.stat().st_mtime_ns))
    return [
        Task(0, tuple(range(start, start + PHOTOS_OF_A_TASK)), tuple(photos[start : start + PHOTOS_OF_A_TASK]))
        for start in range(0, len(photos), PHOTOS_OF_A_TASK)
    ]


def by_photo(answers: Sequence[tuple[Task, list[Row]]]) -> dict[str, Row]:
    """The rows by photo; each photo is there once."""
    assert set(Counter(position for task, _ in answers for position in task.positions).values()) == {1}
    assert all([row.photo for row in rows] == [photo.name for photo in task.photos] for task, rows in answers)
    return {row.photo: row for _, rows in answers for row in rows}


def expected(settings: AnswerSettings, tasks: Sequence[Task]) -> dict[str, Row]:
    answerer = Answerer(settings)
    return {row.photo: row for task in tasks for row in answerer.answer(task.photos)}


def test_processes_give_the_rows_that_one_process_gives(settings: AnswerSettings, tasks: list[Task]) -> None:
    rows = by_photo(list(LocalEngine(settings, 2).answer(tasks)))
    assert rows == expected(settings, tasks)
    assert {row.label for row in rows.values()} == {"red"}


def test_a_killed_process_loses_nothing(settings: AnswerSettings, tasks: list[Task]) -> None:
    answers = []
    for each in LocalEngine(settings, 2).answer(tasks):
        answers.append(each)
        if len(answers) == 2:
            os.kill(multiprocessing.active_children()[0].pid or 0, signal.SIGKILL)
    assert by_photo(answers) == expected(settings, tasks)


def end_at_photo_05() -> None:
    """Let this process end as by a crash in a decoder when it reads a certain photo."""

    def read_or_end(photo: ArchivePhoto) -> bytes:
        if photo.name.endswith("05.png"):
            os.kill(os.getpid(), signal.SIGKILL)
        return read_archive_photo(photo)

    vars(answering)["read_archive_photo"] = read_or_end


def test_a_photo_that_ends_its_process_is_an_error_and_the_others_are_answered(
    settings: AnswerSettings, tasks: list[Task]
) -> None:
    rows = by_photo(list(LocalEngine(settings, 2, end_at_photo_05).answer(tasks)))
    (killed,) = [row for row in rows.values() if row.error is not None]
    assert killed.photo.endswith("05.png")
    assert (killed.error_kind, killed.passing) == ("killed", True)
    assert killed.error == "the process that read it was ended by the system"
    assert rows == {**expected(settings, tasks), killed.photo: killed}


def end_at_once() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_processes_that_cannot_start_are_no_fault_of_the_photos(settings: AnswerSettings, tasks: list[Task]) -> None:
    with pytest.raises(FlowerError, match="ends as it starts"):
        list(LocalEngine(settings, 1, end_at_once).answer(tasks))


def test_no_process_is_left_after_an_error_of_the_caller(settings: AnswerSettings, tasks: list[Task]) -> None:
    answers = LocalEngine(settings, 2).answer(tasks)
    next(answers)
    assert multiprocessing.active_children()
    answers.close()  # type: ignore[attr-defined]
    assert not multiprocessing.active_children()
