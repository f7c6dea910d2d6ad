"""Watching a folder."""

import contextlib
import io
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from runtime import Answer, FlowerClassifier, FlowerError, ModelError, UnavailablePhotoError
from runtime.watching.answer_log import DEFAULT_LOG_NAME, AnswerLog, FileVersion, open_answer_log
from runtime.watching.watch import Watch
from tests.runtime.child_process import enable_keyboard_interrupt
from tests.samples.tiny_model import save_tiny_model

ROOT = Path(__file__).parents[2]


@pytest.fixture
def classifier(tmp_path: Path) -> FlowerClassifier:
    return FlowerClassifier(save_tiny_model(tmp_path / "tiny.onnx"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "incoming").mkdir()
    return tmp_path / "incoming"


@pytest.fixture
def scan_actions(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Functions that run between the scans of the folder, one each. A scan takes one second of a fake clock."""
    actions: list[object] = []
    clock = itertools.count()
    now = [0]

    def sleep(seconds: float) -> None:
        now[0] = next(clock)
        if not actions:
            raise KeyboardInterrupt
        action = actions.pop(0)
        if callable(action):
            action()

    monkeypatch.setattr("runtime.watching.watch.time.sleep", sleep)
    monkeypatch.setattr("runtime.watching.watch.time.monotonic", lambda: now[0])
    return actions


def run(
    classifier: FlowerClassifier, folder: Path, said: Callable[[str], None] = lambda _: None
) -> list[dict[str, object]]:
    """Return the entries that are logged until Ctrl-C."""
    lines = []
    with open_answer_log(folder / DEFAULT_LOG_NAME) as answers, contextlib.suppress(KeyboardInterrupt):
        for line in Watch(classifier, folder, answers, 1, report=said).lines():
            lines.append(json.loads(line))
    return lines


def red(path: Path) -> None:
    Image.new("RGB", (30, 20), (250, 20, 10)).save(path)


def test_each_photo_is_answered_once_over_restarts(
    classifier: FlowerClassifier, folder: Path, scan_actions: list[object]
) -> None:
    red(folder / "a.png")
    scan_actions += [None, None, None, lambda: red(folder / "b.png"), None, None, None, None]
    assert [entry["photo"] for entry in run(classifier, folder)] == [str(folder / "a.png"), str(folder / "b.png")]
    scan_actions += [None] * 5 + [lambda: red(folder / "c.png")] + [None] * 4
    assert [entry["photo"] for entry in run(classifier, folder)] == [str(folder / "c.png")]
    entries = [json.loads(line) for line in (folder / DEFAULT_LOG_NAME).read_text().splitlines()]
    assert [entry["predictions"][0]["label"] for entry in entries] == ["red"] * 3


def test_incomplete_photo_is_not_answered_yet(
    classifier: FlowerClassifier, folder: Path, scan_actions: list[object]
) -> None:
    red(folder / "whole.png")
    content = (folder / "whole.png").read_bytes()
    (folder / "whole.png").unlink()
    parts = [content[: len(content) * step // 6] for step in range(1, 6)]
    for part in parts:  # a second apart, then the whole
        scan_actions.append(lambda part=part: (folder / "slow.png").write_bytes(part))
    scan_actions += [lambda: (folder / "slow.png").write_bytes(content), None, None, None, None]
    assert [(entry["photo"], "error" in entry) for entry in run(classifier, folder)] == [
        (str(folder / "slow.png"), False)
    ]


def test_changed_photo_is_answered_again_and_unreadable_photo_is_logged(
    classifier: FlowerClassifier, folder: Path, scan_actions: list[object]
) -> None:
    (folder / "a.png").write_text("no photo")
    scan_actions += [None] * 4 + [lambda: red(folder / "a.png")] + [None] * 4
    first, second = run(classifier, folder)
    assert "not a photo" in str(first["error"])
    assert second["predictions"]


def test_incomplete_line_is_replaced(classifier: FlowerClassifier, folder: Path, scan_actions: list[object]) -> None:
    red(folder / "a.png")
    scan_actions += [None] * 4
    run(classifier, folder)
    line = (folder / DEFAULT_LOG_NAME).read_bytes()
    (folder / DEFAULT_LOG_NAME).write_bytes(line + line[: len(line) // 2])
    with open_answer_log(folder / DEFAULT_LOG_NAME) as answers:
        assert list(answers.answered) == [str(folder / "a.png")]
    assert (folder / DEFAULT_LOG_NAME).read_bytes() == line


LINE = b'{"photo": "a.png", "size": 1, "modified_ns": 2}\n'


@pytest.mark.parametrize(
    ("ending", "kept"),
    [(b"\0" * 5000, LINE), (LINE[:20] + b"\0" * 99, LINE), (b"\0" * 9 + b"\n" + LINE, LINE + b"\0" * 9 + b"\n" + LINE)],
    ids=["zeros", "a part and zeros", "zeros before the last line"],
)
def test_what_a_power_cut_leaves_is_removed(ending: bytes, kept: bytes, folder: Path) -> None:
    path = folder / "answers.jsonl"
    for start in (LINE, b""):
        path.write_bytes(start + ending)
        with open_answer_log(path) as answers:
            assert answers.removed_bytes == len(start + ending) - len(path.read_bytes())
            assert list(answers.answered) == (["a.png"] if start or LINE in ending else [])
        assert path.read_bytes() == (kept if start else ending if LINE in ending else b"")


def test_what_is_not_the_photos_fault_is_tried_again_and_said_once(
    classifier: FlowerClassifier, folder: Path, scan_actions: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[int] = []
    predict = classifier.predict

    def refused_at_first(photo: str, top: int) -> Answer:
        tries.append(len(tries))
        if len(tries) < 4:
            raise UnavailablePhotoError(f"{photo}: cannot be read (Permission denied)")
        return predict(photo, top)

    monkeypatch.setattr(classifier, "predict", refused_at_first)
    red(folder / "a.png")
    scan_actions += [None] * 20
    said: list[str] = []
    assert len(run(classifier, folder, said.append)) == 1
    assert len(tries) == 4  # at 2, 4, 8 and 16 seconds
    assert said == [f"{folder / 'a.png'}: cannot be read (Permission denied); it is tried again"]


def test_old_logs_of_passing_errors_are_tried_again(folder: Path) -> None:
    path = folder / "answers.jsonl"
    path.write_bytes(LINE.replace(b'"size"', b'"error": "a.png: cannot be read (Permission denied)", "size"'))
    with open_answer_log(path) as answers:
        assert answers.answered == {}


def test_photo_without_its_end_is_damaged_only_after_a_minute(
    classifier: FlowerClassifier, folder: Path, scan_actions: list[object]
) -> None:
    buffer = io.BytesIO()
    Image.effect_noise((200, 100), 50).save(buffer, "JPEG")
    content = buffer.getvalue()
    for name in ("paused.jpg", "lost.jpg"):
        (folder / name).write_bytes(content[:-100])
    scan_actions += [None] * 30 + [lambda: (folder / "paused.jpg").write_bytes(content)] + [None] * 100
    paused, lost = run(classifier, folder)
    assert ("error" in paused, Path(str(paused["photo"])).name) == (False, "paused.jpg")
    assert "truncated" in str(lost["error"])


def test_log_that_is_moved_or_removed_continues_in_a_new_file(
    classifier: FlowerClassifier, folder: Path, scan_actions: list[object]
) -> None:
    answers = folder / DEFAULT_LOG_NAME
    scan_actions += [lambda: red(folder / "a.png"), *[None] * 4, lambda: answers.rename(folder / "old.jsonl")]
    scan_actions += [lambda: red(folder / "b.png"), *[None] * 4, answers.unlink]
    scan_actions += [lambda: red(folder / "c.png"), *[None] * 4]
    assert len(run(classifier, folder)) == 3
    assert [Path(json.loads(line)["photo"]).name for line in answers.read_text().splitlines()] == ["c.png"]


def test_full_disk_that_is_freed_loses_no_answer(
    classifier: FlowerClassifier, folder: Path, scan_actions: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    write, full = os.write, [True]
    monkeypatch.setattr(os, "write", lambda handle, content: write(handle, content[:5] if full[0] else content))
    red(folder / "a.png")
    scan_actions += [None] * 6 + [lambda: full.__setitem__(0, False), None, None]
    said: list[str] = []
    assert len(run(classifier, folder, said.append)) == 1
    assert (folder / DEFAULT_LOG_NAME).read_bytes().count(b"\n") == 1
    assert len(said) == 1
    assert "No space left" in said[0]


def test_folder_that_cannot_be_read_is_said_once(
    classifier: FlowerClassifier, folder: Path, scan_actions: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(parent: str, onerror: Callable[[OSError], None]) -> Iterator[tuple[str, list[str], list[str]]]:
        onerror(PermissionError(13, "Permission denied", str(folder / "locked")))
        yield str(folder), ["locked"], ["a.cr2"]

    monkeypatch.setattr(os, "walk", refused)
    scan_actions += [None] * 4
    said: list[str] = []
    assert run(classifier, folder, said.append) == []
    assert ["locked: cannot be read" in said[0], "1 .cr2" in said[1], len(said)] == [True, True, 2]


def test_name_that_is_no_text_can_be_mapped_back(
    classifier: FlowerClassifier, folder: Path, scan_actions: list[object]
) -> None:
    name = os.fsdecode(os.fsencode(folder) + b"/\xffrose.png")
    red(Path(name))
    scan_actions += [None] * 4
    (entry,) = run(classifier, folder)
    assert entry["photo"] == str(folder / "\ufffdrose.png")
    assert os.fsdecode(bytes.fromhex(str(entry["photo_bytes"]))) == name
    scan_actions += [None] * 4
    assert run(classifier, folder) == []


def test_photo_has_one_name_for_every_spelling_of_the_folder(
    classifier: FlowerClassifier, folder: Path, scan_actions: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    red(folder / "a.png")
    scan_actions += [None] * 4
    assert len(run(classifier, folder)) == 1
    monkeypatch.chdir(folder)
    scan_actions += [None] * 4
    assert run(classifier, Path()) == []


def test_failing_model_records_no_photo(
    classifier: FlowerClassifier, folder: Path, scan_actions: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(photo: object, top: int) -> None:
        raise ModelError("the model failed while running (out of memory)")

    red(folder / "a.png")
    scan_actions += [None] * 4
    with monkeypatch.context() as patch:
        patch.setattr(classifier, "predict", fails)
        with pytest.raises(ModelError):
            run(classifier, folder)
    scan_actions += [None] * 4
    assert len(run(classifier, folder)) == 1


def test_too_long_answer_is_not_written(folder: Path) -> None:
    answers = AnswerLog(folder / DEFAULT_LOG_NAME)
    with pytest.raises(FlowerError, match="--top"):
        answers.append("a.png", FileVersion(1, 2), {"photo": "x" * 16_000_000})
    assert (folder / DEFAULT_LOG_NAME).read_bytes() == b""


def test_full_disk_leaves_complete_lines(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = AnswerLog(folder / DEFAULT_LOG_NAME)
    answers.append("a.png", FileVersion(1, 2), {"photo": "a.png"})
    before = (folder / DEFAULT_LOG_NAME).read_bytes()
    write = os.write
    monkeypatch.setattr(os, "write", lambda handle, content: write(handle, content[:5]))
    with pytest.raises(OSError, match="No space"):
        answers.append("b.png", FileVersion(1, 2), {"photo": "b.png"})
    assert (folder / DEFAULT_LOG_NAME).read_bytes() == before


@pytest.mark.parametrize("content", ["notes\n", '{"photo": "a.png"}\n', "[1]\n", '{"a": 1}', "x" * 16_000_001])
def test_file_that_is_no_log_is_not_changed(content: str, folder: Path) -> None:
    (folder / "notes.txt").write_text(content)
    with pytest.raises(FlowerError, match="not a log of answers"):
        AnswerLog(folder / "notes.txt")
    assert (folder / "notes.txt").read_text() == content


def test_command_continues_after_being_killed(classifier: FlowerClassifier, folder: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "runtime", "--model", str(tmp_path / "tiny.onnx"), "--watch", str(folder)]
    answers = folder / DEFAULT_LOG_NAME

    def answered(count: int) -> bool:
        for _ in range(600):
            if answers.exists() and answers.read_bytes().count(b"\n") >= count:
                return True
            time.sleep(0.1)
        return False

    red(tmp_path / "red.png")
    for turn, ending in enumerate((signal.SIGKILL, signal.SIGINT), 1):
        shutil.copy(tmp_path / "red.png", folder / f"{turn}.png")
        with subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, preexec_fn=enable_keyboard_interrupt
        ) as process:
            try:
                assert answered(turn)
                second = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=120)
                assert (second.returncode, b"another flower-infer" in second.stderr) == (2, True)
                process.send_signal(ending)
                assert process.wait(60) in (-signal.SIGKILL, 130)
            finally:
                process.kill()  # or a failure here would wait for it for ever
            assert process.stderr is not None
            assert process.stderr.read() == b""
    assert [Path(json.loads(line)["photo"]).name for line in answers.read_text().splitlines()] == ["1.png", "2.png"]
