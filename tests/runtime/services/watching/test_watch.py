"""Watching a folder."""

import contextlib
import errno
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from runtime import Answer, FlowerClassifier, ModelError, OutOfMemoryError, UnreadableError
from runtime.services.watching.answer_log import DEFAULT_LOG_NAME, open_answer_log
from runtime.services.watching.watch import watch
from tests.runtime.child_process import enable_keyboard_interrupt
from tests.samples.tiny_model import save_tiny_model

ROOT = Path(__file__).parents[4]


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

    monkeypatch.setattr("runtime.services.watching.watch.time.sleep", sleep)
    monkeypatch.setattr("runtime.services.watching.watch.time.monotonic", lambda: now[0])
    return actions


def run(classifier: FlowerClassifier, folder: Path, said: list[str] | None = None) -> list[dict[str, object]]:
    """Return the entries that are logged until Ctrl-C, and add what is shown to the user to ``said``."""
    lines = []
    say = ([] if said is None else said).append
    with open_answer_log(folder / DEFAULT_LOG_NAME, say) as answers, contextlib.suppress(KeyboardInterrupt):
        for line in watch(classifier, folder, answers, 1, say=say):
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


def test_what_may_pass_is_tried_again_and_said_once(
    classifier: FlowerClassifier, folder: Path, scan_actions: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    predict = classifier.predict
    attempts: list[str] = []

    def fails_at_first(photo: Any, top: int) -> Answer:
        attempts.append(photo)
        if len(attempts) <= 6:
            raise UnreadableError(f"{photo}: cannot be read (Permission denied)")
        if len(attempts) == 7:
            raise OutOfMemoryError("not enough memory")
        return predict(photo, top)

    red(folder / "a.png")
    red(folder / "b.png")
    monkeypatch.setattr(classifier, "predict", fails_at_first)
    scan_actions += [None] * 90
    said: list[str] = []
    assert [Path(str(entry["photo"])).name for entry in run(classifier, folder, said)] == ["b.png", "a.png"]
    assert len(said) == 2
    assert "a.png: cannot be read (Permission denied); it is tried again" in said[0]
    assert "memory" in said[1]
    assert len(attempts) == 9  # growing pauses: not one for each of the 90 scans


def test_upload_that_pauses_is_not_damaged(
    classifier: FlowerClassifier, folder: Path, scan_actions: list[object]
) -> None:
    content = {}
    for form in ("jpg", "png", "webp", "avif"):
        Image.effect_noise((300, 200), 90).convert("RGB").save(folder / f"a.{form}")
        content[form] = (folder / f"a.{form}").read_bytes()
        (folder / f"a.{form}").write_bytes(content[form][: len(content[form]) // 2])
    (folder / "a.gif").touch()  # empty until its first bytes arrive
    scan_actions += [None] * 100
    scan_actions += [lambda form=form: (folder / f"a.{form}").write_bytes(content[form]) for form in content]
    scan_actions += [None] * 200
    entries = run(classifier, folder)
    assert sorted((Path(str(entry["photo"])).name, "error" in entry) for entry in entries) == [
        ("a.avif", False), ("a.gif", True), ("a.jpg", False), ("a.png", False), ("a.webp", False),
    ]  # fmt: skip


def test_unreadable_folder_and_other_formats_are_said_once(
    classifier: FlowerClassifier, folder: Path, scan_actions: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("locked", "other"):
        (folder / name).mkdir()
        red(folder / name / "a.png")
    (folder / "b.nef").touch()
    locked = True
    scandir = os.scandir

    def scan(path: str) -> object:
        if locked and Path(path).name == "locked":
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return scandir(path)

    def unlock() -> None:
        nonlocal locked
        locked = False

    monkeypatch.setattr(os, "scandir", scan)
    scan_actions += [None] * 5 + [unlock] + [None] * 5
    said: list[str] = []
    entries = run(classifier, folder, said)
    assert [Path(str(entry["photo"])).parent.name for entry in entries] == ["other", "locked"]
    assert ["locked: cannot be read (Permission denied)" in line for line in said] == [True, False]
    assert "1 .nef" in said[1]


def test_a_folder_that_disappears_is_waited_for(
    classifier: FlowerClassifier, folder: Path, tmp_path: Path, scan_actions: list[object]
) -> None:
    away = tmp_path / "away"
    scan_actions += [None, lambda: folder.rename(away), None, None, lambda: away.rename(folder)]
    scan_actions += [lambda: red(folder / "late.png"), None, None, None, None]
    said: list[str] = []
    with open_answer_log(tmp_path / "log.jsonl", said.append) as log, contextlib.suppress(KeyboardInterrupt):
        lines = [*watch(classifier, folder, log, 1, say=said.append)]
        assert not lines  # not reached: Ctrl-C ends the watch
    assert "late.png" in (tmp_path / "log.jsonl").read_text()
    assert len(said) == 1
    assert "No such file or directory); it is tried again" in said[0]


def test_a_full_disk_loses_no_answer(
    classifier: FlowerClassifier, folder: Path, scan_actions: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    free: list[int] = []

    def full(handle: int) -> None:
        if len(free) < 4:
            free.append(handle)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    for name in ("a.png", "b.png"):
        red(folder / name)
    monkeypatch.setattr(os, "fsync", full)
    scan_actions += [None] * 12
    said: list[str] = []
    entries = run(classifier, folder, said)
    assert [Path(str(entry["photo"])).name for entry in entries] == ["a.png", "b.png"]
    assert [json.loads(line) for line in (folder / DEFAULT_LOG_NAME).read_text().splitlines()] == entries
    assert ["No space" in line for line in said] == [True]


def test_an_answer_is_handed_on_before_it_is_logged(
    classifier: FlowerClassifier, folder: Path, scan_actions: list[object]
) -> None:
    scan_actions += [None] * 4
    red(folder / "red.png")
    (folder / "damaged.png").write_bytes(b"no photo")
    handed: list[tuple[str, object, int]] = []
    alive: list[None] = []
    with open_answer_log(folder / DEFAULT_LOG_NAME) as log, contextlib.suppress(KeyboardInterrupt):
        for _ in watch(
            classifier,
            folder,
            log,
            1,
            describe=lambda name, answer: {"photo": name, "best": answer.best.label},
            on_answer=lambda photo, _, entry: handed.append((photo, entry["best"], len(log.answered))),
            alive=lambda: alive.append(None),
        ):
            pass
    logged = [json.loads(line) for line in (folder / DEFAULT_LOG_NAME).read_text().splitlines()]
    assert [(entry["photo"], entry["best"]) for entry in logged if "best" in entry] == [handed[0][:2]]
    assert len(logged) == 2
    assert [(Path(photo).name, before) for photo, _, before in handed] == [("red.png", 1)]  # after damaged.png
    assert len(alive) >= 6


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
