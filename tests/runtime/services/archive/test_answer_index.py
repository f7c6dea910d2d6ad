"""The index of rows by photo and by bytes."""

from pathlib import Path

import pytest

from runtime.services.archive.answer_index import AnswerIndex, SameBytes
from runtime.services.archive.row import Row

DIGEST, OTHER_DIGEST = "a" * 64, "b" * 64


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "index.sqlite"


def test_a_row_is_found_by_photo_and_by_bytes(path: Path) -> None:
    index = AnswerIndex(path)
    row = Row("a.jpg", size=3, sha256=DIGEST, verdict="name", predictions=({"label": "rose", "index": 1},))
    assert index.add([row]) == 0
    assert index.row_of_photo("a.jpg") == row
    assert SameBytes(str(path)).row(DIGEST) == row
    assert index.row_of_photo("b.jpg") is None
    assert SameBytes(str(path)).row(OTHER_DIGEST) is None


def test_a_name_that_is_no_text_is_found(path: Path) -> None:
    index = AnswerIndex(path)
    row = Row("caf�.jpg", photo_bytes=b"caf\xe9.jpg".hex())
    index.add([row])
    assert index.row_of_photo("caf\udce9.jpg") == row
    assert index.row_of_photo("caf�.jpg") is None


def test_photos_with_the_bytes_of_another_are_counted(path: Path) -> None:
    index = AnswerIndex(path)
    assert index.add([Row("a.jpg", sha256=DIGEST), Row("b.jpg", sha256=DIGEST)]) == 1
    assert index.add([Row("a.jpg", sha256=DIGEST)]) == 0, "it is the first photo again, not another"


def test_bytes_that_a_photo_has_no_more_are_not_found(path: Path) -> None:
    index = AnswerIndex(path)
    index.add([Row("a.jpg", sha256=DIGEST)])
    index.add([Row("a.jpg", sha256=OTHER_DIGEST)])
    assert SameBytes(str(path)).row(DIGEST) is None


def test_an_error_that_may_pass_is_no_answer_for_the_same_bytes(path: Path) -> None:
    index = AnswerIndex(path)
    index.add([Row("a.jpg", sha256=DIGEST, error="not enough memory", passing=True)])
    assert SameBytes(str(path)).row(DIGEST) is None
    assert index.row_of_photo("a.jpg") is not None


def test_an_index_of_an_earlier_run_is_forgotten_and_nothing_stays(path: Path) -> None:
    AnswerIndex(path).add([Row("a.jpg", sha256=DIGEST)])
    index = AnswerIndex(path)
    assert index.row_of_photo("a.jpg") is None
    assert index.listed_first(["a.jpg", "a.jpg", "b.jpg"]) == [True, False, True]
    index.close()
    assert list(path.parent.iterdir()) == []
