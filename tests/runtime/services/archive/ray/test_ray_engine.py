"""What the main process does with tasks and rows, without Ray."""

import socket
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from runtime.errors import FlowerError
from runtime.inference.shipped_models import DEFAULT_MODEL
from runtime.services.archive.answering import Answerer, AnswerSettings
from runtime.services.archive.engines import ray_engine
from runtime.services.archive.engines.ray_engine import RayEngine
from runtime.services.archive.engines.ray_process import PROBLEM, ROWS, RayProcess, Setup, pack, unpack
from tests.runtime.services.archive.ray.samples import by_photo, photos_in, tasks_of
from tests.samples.tiny_model import save_tiny_model

pa = pytest.importorskip("pyarrow")
Tables = list[dict[str, Any]]


class RayHere:
    """What the engine uses of Ray. It answers in this process, and ``change`` gets the answers of each dataset."""

    exceptions = SimpleNamespace(RayError=ZeroDivisionError)

    def __init__(self, change: Callable[[int, Tables], Iterable[dict[str, Any]]] = lambda _, answers: answers) -> None:
        self.data = SimpleNamespace(from_items=self.from_items, ActorPoolStrategy=lambda **_: None)
        self.sizes: list[int] = []
        """Tasks of each dataset."""
        self._change = change

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": 2.0}

    def from_items(self, items: Tables, override_num_blocks: int) -> Any:
        self.sizes.append(len(items))
        assert 1 <= override_num_blocks <= len(items)

        def map_batches(process: type[RayProcess], *, fn_constructor_args: tuple[Setup], **_: Any) -> Any:
            answered = process(*fn_constructor_args)(pa.Table.from_pylist(items)).to_pylist()
            changed = self._change(len(self.sizes), answered)
            return SimpleNamespace(iter_batches=lambda **_: (pa.Table.from_pylist([each]) for each in changed))

        return SimpleNamespace(map_batches=map_batches)


@pytest.fixture
def settings(tmp_path: Path) -> AnswerSettings:
    return AnswerSettings(model=str(save_tiny_model(tmp_path / "tiny.onnx")), digest="0123456789abcdef", top=2)


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Callable[[RayHere], None]:
    def use_ray(ray: RayHere) -> None:
        monkeypatch.setattr(ray_engine, "_load_ray", lambda: ray)
        monkeypatch.setattr(RayEngine, "_connected", lambda *_: nullcontext())

    return use_ray


def test_an_archive_is_answered_in_datasets_of_limited_size(
    use: Callable[[RayHere], None], settings: AnswerSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_engine, "TASKS_PER_CPU", 2)
    use(ray := RayHere())
    tasks, taken = tasks_of(photos_in(tmp_path, 20), 2), []

    def take() -> Iterator[Any]:
        for task in tasks:
            taken.append(task)
            yield task

    answers = RayEngine(settings).answer(take())
    first = next(answers)
    assert len(taken) == 4, "the others are taken when these are answered"
    rows = by_photo([first, *answers])
    assert ray.sizes == [4, 4, 2]
    assert rows == {row.photo: row for row in Answerer(settings).answer([p for task in tasks for p in task.photos])}


def test_what_ray_gives_twice_is_dropped_and_what_it_loses_is_given_out_again(
    use: Callable[[RayHere], None], settings: AnswerSettings, tmp_path: Path
) -> None:
    def change(dataset: int, answers: Tables) -> Tables:
        return [answers[0], answers[2], answers[0], answers[2]] if dataset == 1 else answers

    use(ray := RayHere(change))
    photos = photos_in(tmp_path, 9)
    rows = by_photo(list(RayEngine(settings).answer(tasks_of(photos, 3))))
    assert rows == {row.photo: row for row in Answerer(settings).answer(photos)}
    assert ray.sizes == [3, 3], "the three photos of the lost task, each in a task of its own"


def test_a_photo_whose_process_is_lost_again_gets_an_error(
    use: Callable[[RayHere], None], settings: AnswerSettings, tmp_path: Path
) -> None:
    use(RayHere(lambda dataset, answers: answers[1:]))
    photos = photos_in(tmp_path, 4)
    rows = by_photo(list(RayEngine(settings).answer(tasks_of(photos, 2))))
    killed = rows.pop(photos[0].name)
    assert (killed.error_kind, killed.passing, killed.sha256) == ("killed", True, None)
    assert (killed.size, killed.settings) == (photos[0].size, settings.digest)
    assert rows == {row.photo: row for row in Answerer(settings).answer(photos[1:])}


def test_a_problem_of_a_machine_ends_the_run(
    use: Callable[[RayHere], None], settings: AnswerSettings, tmp_path: Path
) -> None:
    use(RayHere(lambda _, answers: [{**each, PROBLEM: "node7: numpy is 1 and not 2"} for each in answers]))
    with pytest.raises(FlowerError, match="node7: numpy is 1"):
        list(RayEngine(settings).answer(tasks_of(photos_in(tmp_path, 2), 2)))


def test_a_photo_that_a_machine_does_not_see_ends_the_run(
    use: Callable[[RayHere], None], settings: AnswerSettings, tmp_path: Path
) -> None:
    def not_seen(_: int, answers: Tables) -> Tables:
        rows = [replace(row, error="no such file", error_kind="missing") for row in unpack(answers[0][ROWS])]
        return [{**answers[0], ROWS: pack(rows)}]

    use(RayHere(not_seen))
    tasks = tasks_of(photos_in(tmp_path, 1), 1)
    with pytest.raises(FlowerError, match=r"000\.png: a machine of the cluster does not see it"):
        list(RayEngine(settings).answer(tasks))
    Path(tasks[0].photos[0].name).unlink()
    ((_, (row,)),) = RayEngine(settings).answer(tasks)
    assert row.error_kind == "missing"


def test_an_error_of_ray_is_one_line(use: Callable[[RayHere], None], settings: AnswerSettings, tmp_path: Path) -> None:
    def fail() -> Iterator[dict[str, Any]]:
        raise RayHere.exceptions.RayError("ray::Worker()\n  File 'a.py'\nModuleNotFoundError: No module named 'x'\n")
        yield

    use(RayHere(lambda *_: fail()))
    with pytest.raises(
        FlowerError, match=r"^Ray: ModuleNotFoundError: No module named 'x'; install the same flower-edge"
    ):
        list(RayEngine(settings).answer(tasks_of(photos_in(tmp_path, 1), 1)))


@pytest.mark.parametrize("address", ["ray://127.0.0.1:10001", "garden", "user:word@garden:6379", "garden:port", ":1"])
def test_an_address_of_another_form_is_refused(settings: AnswerSettings, address: str) -> None:
    with pytest.raises(FlowerError, match=r"^the address of a cluster is HOST:PORT, or auto") as raised:
        next(RayEngine(settings, address=address).answer([]))
    assert "word" not in str(raised.value)


def test_an_address_at_which_nothing_answers_is_one_line(settings: AnswerSettings) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # not listening
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(FlowerError, match=f"^Ray at {address}: no connection .*; start it by: ray start --head"):
            next(RayEngine(settings, address=address).answer([]))


def test_a_missing_ray_is_one_line(settings: AnswerSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(FlowerError, match=r"^--engine ray needs Ray; run: .*\[ray\]'$"):
        next(RayEngine(settings).answer([]))


def test_other_machines_find_the_models_inside_the_package_by_name_and_have_no_index(settings: AnswerSettings) -> None:
    here = replace(settings, model=str(DEFAULT_MODEL), index="/cache/index.sqlite")
    assert RayEngine(here, address="auto")._settings == replace(here, model="full", index=None)
    assert RayEngine(here)._settings == replace(here, model="full")
