"""From photos to tasks, and from rows to the parts of the table."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from runtime.errors import MissingPhotoError
from runtime.services.archive.answer_index import AnswerIndex
from runtime.services.archive.answering import row_without_answer
from runtime.services.archive.assembly import PART_ROWS, TASK_PHOTOS, Assembly
from runtime.services.archive.engines.engine import Task
from runtime.services.archive.row import Row
from runtime.services.archive.sources.photo import ArchivePhoto
from runtime.services.archive.summary import Summary
from tests.runtime.services.archive.table_in_memory import TableInMemory

SETTINGS = "0123456789abcdef"
PHOTOS = [ArchivePhoto(f"{number:05}.jpg", size=number, modified_ns=number) for number in range(PART_ROWS + 30)]


@pytest.fixture
def index(tmp_path: Path) -> Iterator[AnswerIndex]:
    index = AnswerIndex(tmp_path / "index.sqlite")
    yield index
    index.close()


def rows_of(task: Task) -> list[Row]:
    return [replace(row_without_answer(photo, SETTINGS), verdict="name") for photo in task.photos]


def run(photos: list[ArchivePhoto], table: TableInMemory, index: AnswerIndex) -> tuple[list[Task], Summary]:
    """Answer all tasks, the last one first, and return them."""
    summary = Summary()
    assembly = Assembly(photos, table, index, SETTINGS, summary)
    tasks = list(assembly.tasks())
    for task in reversed(tasks):
        assembly.add(task, rows_of(task))
    table.finish(assembly.count)
    return tasks, summary


def test_parts_have_the_order_of_the_photos_whatever_the_order_of_the_answers(index: AnswerIndex) -> None:
    table = TableInMemory()
    tasks, summary = run(PHOTOS, table, index)
    assert table.written == [1, 0], "the last part was complete first"
    assert [row.photo for number in sorted(table.parts) for row in table.parts[number]] == [p.name for p in PHOTOS]
    assert max(len(task.photos) for task in tasks) == TASK_PHOTOS
    assert (summary.answered, summary.known, summary.photos) == (len(PHOTOS), 0, len(PHOTOS))


def test_what_is_answered_and_unchanged_is_not_answered_again(index: AnswerIndex) -> None:
    table = TableInMemory()
    run(PHOTOS, table, index)
    tasks, summary = run(PHOTOS, table, index)
    assert (tasks, summary.known, table.written) == ([], len(PHOTOS), [1, 0]), "and no part is written again"


def test_what_changed_or_is_new_is_answered(index: AnswerIndex) -> None:
    table = TableInMemory()
    run(PHOTOS, table, index)
    changed = [replace(PHOTOS[0], modified_ns=77), *PHOTOS[1:], ArchivePhoto("new.jpg", size=1)]
    tasks, _ = run(changed, table, index)
    assert [photo.name for task in tasks for photo in task.photos] == ["00000.jpg", "new.jpg"]
    assert table.parts[0][0].modified_ns == 77


def test_parts_move_when_a_photo_is_new_in_front(index: AnswerIndex) -> None:
    table = TableInMemory()
    run(PHOTOS, table, index)
    tasks, _ = run([ArchivePhoto("new.jpg", size=1), *PHOTOS], table, index)
    assert [photo.name for task in tasks for photo in task.photos] == ["new.jpg"]
    assert table.parts[1][0].photo == PHOTOS[PART_ROWS - 1].name


def test_an_error_is_tried_again_only_if_its_cause_may_pass(index: AnswerIndex) -> None:
    base = [row_without_answer(photo, SETTINGS) for photo in PHOTOS[:2]]
    index.add(
        [replace(base[0], error="damaged", passing=False), replace(base[1], error="not enough memory", passing=True)]
    )
    tasks, summary = run(PHOTOS[:2], TableInMemory(), index)
    assert [photo.name for task in tasks for photo in task.photos] == [PHOTOS[1].name]
    assert summary.known == 1


def test_a_row_of_other_settings_is_answered_again(index: AnswerIndex) -> None:
    index.add([replace(row_without_answer(PHOTOS[0], "other"), verdict="name")])
    tasks, _ = run(PHOTOS[:1], TableInMemory(), index)
    assert len(tasks) == 1


def test_a_photo_that_was_not_found_has_an_empty_size(index: AnswerIndex) -> None:
    row = row_without_answer(ArchivePhoto("gone.jpg", error=MissingPhotoError("gone.jpg: no such file")), SETTINGS)
    assert (row.size, row.modified_ns) == (None, None)


def test_a_part_that_is_begun_can_be_saved_and_gone_on_with(index: AnswerIndex) -> None:
    table = TableInMemory()
    assembly = Assembly(PHOTOS[:60], table, index, SETTINGS, Summary())
    assembly.save_begun()
    assert table.parts == {}, "nothing is answered yet"
    tasks = list(assembly.tasks())
    assembly.add(tasks[1], rows_of(tasks[1]))
    assembly.save_begun()
    assert [row.photo for row in table.parts[0]] == [photo.name for photo in tasks[1].photos]
    later, summary = run(PHOTOS[:60], table, index)
    assert {photo.name for task in later for photo in task.photos} == {
        photo.name for task in (tasks[0], tasks[2]) for photo in task.photos
    }
    assert [row.photo for row in table.parts[0]] == [photo.name for photo in PHOTOS[:60]]
    assert summary.known == TASK_PHOTOS


def test_no_photos_make_an_empty_table(index: AnswerIndex) -> None:
    table = TableInMemory()
    table.parts[3] = []
    tasks, summary = run([], table, index)
    assert (tasks, table.parts, summary.photos) == ([], {}, 0)
