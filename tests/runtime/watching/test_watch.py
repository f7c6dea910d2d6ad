"""Watching a folder."""

import contextlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from runtime import FlowerClassifier, FlowerError, ModelError
from runtime.watching.answer_log import DEFAULT_LOG_NAME, AnswerLog, FileVersion, open_answer_log
from runtime.watching.watch import watch
from tests.runtime.child_process import enable_keyboard_interrupt
from tests.samples.tiny_model import save_tiny_model

ROOT = Path(__file__).parents[3]


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


def run(classifier: FlowerClassifier, folder: Path) -> list[dict[str, object]]:
    """Return the entries that are logged until Ctrl-C."""
    lines = []
    with open_answer_log(folder / DEFAULT_LOG_NAME) as answers, contextlib.suppress(KeyboardInterrupt):
        for line in watch(classifier, folder, answers, 1):
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
