"""The log of answers: what power cuts, full disks and rotation do to its file."""

import errno
import gzip
import json
import os
import resource
from pathlib import Path

import pytest

from runtime import FlowerError
from runtime.services.watching.answer_log import AnswerLog, FileVersion, open_answer_log

VERSION = FileVersion(1, 2)
LINE = b'{"photo": "a.png", "size": 1, "modified_ns": 2}\n'
NEXT = LINE.replace(b"a.png", b"b.png")


def test_what_is_no_file_is_refused() -> None:
    with pytest.raises(FlowerError, match="not a file that can hold answers"):
        AnswerLog(Path(os.devnull))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.jsonl"


@pytest.mark.parametrize(
    "tail",
    [
        NEXT[: len(NEXT) // 2],
        b"\0" * 4096,
        NEXT[:20] + b"\0" * 512,
        b"\0" * 30 + NEXT[30:],
        NEXT[:20] + b"\0" * 10 + NEXT[30:],
        NEXT[:20] + b"\0" * 10 + NEXT[30:] + b"\0" * 100,
    ],
)
@pytest.mark.parametrize("lines", [0, 2])
def test_what_a_power_cut_leaves_is_cut_back_to_whole_lines(tail: bytes, lines: int, path: Path) -> None:
    path.write_bytes(LINE * lines + tail)
    said: list[str] = []
    with open_answer_log(path, said.append) as log:
        assert (path.read_bytes(), len(said)) == (LINE * lines, 1)
        assert log.answered == ({"a.png": VERSION} if lines else {})
        log.append("b.png", VERSION, {"photo": "b.png"})
    with open_answer_log(path, said.append) as log:
        assert (path.read_bytes(), len(said)) == (LINE * lines + NEXT, 1)


def test_damage_between_whole_lines_does_not_stop_the_watch(path: Path) -> None:
    content = LINE + NEXT[:20] + b"\0" * 30 + NEXT[20:] + b"\0" * 512 + NEXT
    path.write_bytes(content)
    with open_answer_log(path) as log:
        assert log.answered == {"a.png": VERSION, "b.png": VERSION}
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    "content",
    [
        b"notes\n", b'{"photo": "a.png"}\n', b"[1]\n", b'{"a": 1}', b"x" * 16_000_001, b"\0\0\0\x18ftypmp42\0",
        b"\0" * 16_000_001, LINE + b"notes\n", LINE + b"\0\xff\n", b'{"photo": ["a"], "size": 1, "modified_ns": 2}\n',
    ],
    ids=lambda content: repr(content[:20]),
)  # fmt: skip
def test_file_that_is_no_log_is_not_changed(content: bytes, path: Path) -> None:
    path.write_bytes(content)
    with pytest.raises(FlowerError, match="not a log of answers"):
        AnswerLog(path)
    assert path.read_bytes() == content


def test_errors_that_may_pass_are_not_answers(path: Path) -> None:
    """Versions up to 0.3 logged them."""
    errors = (
        "a.png: cannot be read (Permission denied)",
        "a.png: too large for this machine's memory",
        "a.png: damaged",
    )
    entries = [
        {"photo": str(number), "error": error, "size": 1, "modified_ns": 2} for number, error in enumerate(errors)
    ]
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    with open_answer_log(path) as log:
        assert list(log.answered) == ["2"]


def test_too_long_answer_is_not_written(path: Path) -> None:
    with open_answer_log(path) as log, pytest.raises(FlowerError, match="--top"):
        log.append("a.png", VERSION, {"photo": "x" * 16_000_000})
    assert path.read_bytes() == b""


def test_name_of_a_new_log_is_on_the_disk_before_the_first_answer(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[os.stat_result] = []
    monkeypatch.setattr(os, "fsync", lambda handle: flushed.append(os.fstat(handle)))
    with open_answer_log(path):
        assert any(os.path.samestat(each, path.parent.stat()) for each in flushed)


def test_full_disk_leaves_whole_lines(path: Path) -> None:
    """A limit on the size of files stands for the full disk: a part of the line is written, and then none."""
    with open_answer_log(path) as log:
        log.append("a.png", VERSION, {"photo": "a.png"})
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(LINE) + 9, hard))
        try:
            with pytest.raises(OSError, match="too large"):
                log.append("b.png", VERSION, {"photo": "b.png"})
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert path.read_bytes() == LINE
        assert log.answered == {"a.png": VERSION}
        log.append("b.png", VERSION, {"photo": "b.png"})
    assert path.read_bytes() == LINE + NEXT


def test_file_that_is_emptied_while_a_line_fails_is_not_extended(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def emptied_and_full(handle: int) -> None:
        os.truncate(path, 0)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with open_answer_log(path) as log:
        log.append("a.png", VERSION, {"photo": "a.png"})
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", emptied_and_full)
            with pytest.raises(OSError, match="No space"):
                log.append("a.png", VERSION, {"photo": "a.png"})
        log.append("b.png", VERSION, {"photo": "b.png"})
    assert path.read_bytes() == NEXT


def test_line_that_cannot_be_taken_back_is_taken_back_later(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with open_answer_log(path) as log:
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", fail)
            patch.setattr(os, "ftruncate", fail)
            with pytest.raises(OSError, match="Input/output"):
                log.append("a.png", VERSION, {"photo": "a.png"})
        log.append("b.png", VERSION, {"photo": "b.png"})
    assert path.read_bytes() == NEXT


@pytest.mark.parametrize("rotate", ["rename", "rename and create", "remove", "copy and truncate"])
def test_log_is_rotated_while_it_is_open(rotate: str, path: Path) -> None:
    rotated = path.with_suffix(".1")
    said: list[str] = []
    with open_answer_log(path, said.append) as log:
        log.append("a.png", VERSION, {"photo": "a.png"})
        if rotate == "remove":
            path.unlink()
        elif rotate == "copy and truncate":
            rotated.write_bytes(path.read_bytes())
            os.truncate(path, 0)
        else:
            path.rename(rotated)
        if rotate == "rename and create":
            path.touch()
        log.append("b.png", VERSION, {"photo": "b.png"})
        assert path.read_bytes() == NEXT
        assert rotate == "remove" or rotated.read_bytes() == LINE
        assert list(log.answered) == ["a.png", "b.png"]
        assert len(said) == (0 if rotate == "copy and truncate" else 1)
        with pytest.raises(FlowerError, match="another flower-infer"):  # the new file is locked as well
            AnswerLog(path)


def test_other_file_in_the_place_of_the_log_is_not_changed(path: Path) -> None:
    with open_answer_log(path) as log:
        path.unlink()
        path.write_text("notes\n")
        with pytest.raises(FlowerError, match="not a log of answers"):
            log.append("a.png", VERSION, {"photo": "a.png"})
        assert path.read_text() == "notes\n"


def test_file_system_without_locks(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("fcntl.flock", fail)
    with open_answer_log(path) as log:
        log.append("a.png", VERSION, {"photo": "a.png"})
    assert path.read_bytes() == LINE


@pytest.mark.parametrize("suffix", [".1", ".12.gz", "-20260131", "-20260131.gz", "-20260131-1767225600"])
def test_moved_logs_still_say_what_was_answered(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / "answers.jsonl"
    with open_answer_log(path) as log:
        log.append("a.jpg", VERSION, {"photo": "a.jpg"})
    content = path.read_bytes() + b"{damaged\n"
    path.unlink()
    moved = path.with_name(path.name + suffix)
    moved.write_bytes(gzip.compress(content)[:-4] if suffix.endswith(".gz") else content)  # also cut off
    path.with_name(path.name + ".bak").write_text('{"photo": "b.jpg", "size": 1, "modified_ns": 1}\n')
    with open_answer_log(path) as log:
        assert log.answered == {"a.jpg": VERSION}
