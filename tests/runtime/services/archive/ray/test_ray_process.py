"""What a process of Ray does, without Ray."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from runtime.errors import MissingPhotoError
from runtime.services.archive.answering import Answerer, AnswerSettings
from runtime.services.archive.engines.engine import Task
from runtime.services.archive.engines.ray_process import NUMBER, PROBLEM, ROWS, TASK, RayProcess, Setup, pack, unpack
from runtime.services.archive.sources.photo import ArchivePhoto
from tests.runtime.services.archive.ray.samples import picture
from tests.samples.tiny_model import save_tiny_model

pa = pytest.importorskip("pyarrow")


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AnswerSettings:
    monkeypatch.chdir(tmp_path)
    return AnswerSettings(model=str(save_tiny_model(tmp_path / "tiny.onnx")), digest="0123456789abcdef", top=2)


@pytest.fixture
def task(tmp_path: Path) -> Task:
    (tmp_path / "red.png").write_bytes(picture((250, 20, 10)))
    gone = ArchivePhoto("\udcff.png", error=MissingPhotoError("gone"))
    return Task(3, (4, 7), (ArchivePhoto("red.png", size=5, modified_ns=6), gone))


def test_a_process_answers_the_tasks_of_a_table(
    settings: AnswerSettings, task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    setup = Setup.of_this_machine(settings)
    monkeypatch.chdir("/")  # names are relative to the folder of the main process
    answered = RayProcess(setup)(
        pa.table({NUMBER: [8, 9], TASK: [pack(task), pack(replace(task, photos=task.photos[1:]))]})
    )
    first, second = answered.to_pylist()
    assert unpack(first.pop(ROWS)) == Answerer(settings).answer(task.photos)
    assert (first, len(unpack(second[ROWS]))) == ({NUMBER: 8, PROBLEM: ""}, 1)
    assert Path.cwd() == tmp_path


def test_a_task_is_the_same_after_transport_and_small(task: Task) -> None:
    received = unpack(pack(task))
    assert str(received.photos[1].error) == "gone"
    assert replace(received, photos=received.photos[:1]) == replace(task, photos=task.photos[:1])
    photos = tuple(ArchivePhoto(f"archive/2019/IMG_{n:06}.jpg", size=n, modified_ns=n * 10**9) for n in range(25))
    assert len(pack(Task(0, tuple(range(25)), photos))) < 25 * 40


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"folder": "/no/such/folder"}, "No such file or directory"),
        ({"versions": {"flower-edge": "0.1"}}, "flower-edge is .* and not 0.1; install the same versions"),
        ({"digests": {"tiny.onnx": "0"}}, "tiny.onnx is another file here"),
    ],
)
def test_a_machine_that_differs_says_so_and_answers_nothing(
    settings: AnswerSettings, task: Task, change: dict[str, object], problem: str
) -> None:
    settings = replace(settings, model="tiny.onnx")
    setup = replace(Setup.of_this_machine(settings), **change)  # type: ignore[arg-type]
    (record,) = RayProcess(setup)(pa.table({NUMBER: [8], TASK: [pack(task)]})).to_pylist()
    assert unpack(record[ROWS]) == []
    assert re.search(problem, record[PROBLEM])


def test_an_unexpected_error_is_said_and_not_taken_for_a_killed_process(
    settings: AnswerSettings, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(Answerer, "answer", fail)
    table = pa.table({NUMBER: [8], TASK: [pack(task)]})
    (record,) = RayProcess(Setup.of_this_machine(settings))(table).to_pylist()
    assert record[PROBLEM].endswith(": ZeroDivisionError: division by zero")
