"""Ray itself: a cluster of three nodes on this machine, and a Ray that the engine starts and stops."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runtime.services.archive.answering import Answerer, AnswerSettings
from runtime.services.archive.engines import ray_engine
from runtime.services.archive.engines.ray_engine import RayEngine
from runtime.services.archive.sources.photo import ArchivePhoto
from runtime.services.archive.sources.store_photos import list_store
from tests.runtime.services.archive.ray.processes import ENDING, EndedByPhoto, WaitingProcess, gate
from tests.runtime.services.archive.ray.samples import BUCKET, by_photo, photos_in, picture, tasks_of
from tests.samples.tiny_model import save_tiny_model

ray = pytest.importorskip("ray")

NODE: dict[str, Any] = {"num_cpus": 1, "object_store_memory": 80 * 1024**2}
QUICK_DEATH = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 1000, "health_check_failure_threshold": 3}
"""Ray's settings with which a node that is gone is noticed after seconds rather than half a minute."""


@pytest.fixture
def settings(tmp_path: Path) -> AnswerSettings:
    return AnswerSettings(model=str(save_tiny_model(tmp_path / "tiny.onnx")), digest="0123456789abcdef", top=2)


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A head without a CPU, and two nodes with one CPU each."""
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    ray_engine._load_ray()
    from ray.cluster_utils import Cluster

    head = {**NODE, "num_cpus": 0, "include_dashboard": False, "_system_config": QUICK_DEATH}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    cluster.add_node(**NODE)
    cluster.add_node(**NODE)
    yield cluster
    cluster.shutdown()  # type: ignore[no-untyped-call]


def answering_processes(node: Any) -> list[int]:
    """The processes of a node that answer."""
    (raylet,) = node.all_processes["raylet"]
    children = Path(f"/proc/{raylet.process.pid}/task/{raylet.process.pid}/children").read_text().split()
    return [int(pid) for pid in children if b"Process" in Path(f"/proc/{pid}/cmdline").read_bytes()]


@pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc")
def test_a_killed_process_and_a_killed_machine_lose_nothing(
    cluster: Any, settings: AnswerSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks = tasks_of(photos_in(tmp_path, 400), 4)
    monkeypatch.setattr(ray_engine, "RayProcess", WaitingProcess)
    first, second = cluster.worker_nodes
    answers = []
    for each in RayEngine(settings, address=cluster.address).answer(iter(tasks)):
        answers.append(each)
        if len(answers) == 20:
            (process,) = answering_processes(first)
            os.kill(process, signal.SIGKILL)
        if len(answers) == 40:
            assert answering_processes(second)
            cluster.remove_node(second, allow_graceful=False)
            gate(settings).touch()
    answerer = Answerer(settings)
    assert by_photo(answers) == {row.photo: row for task in tasks for row in answerer.answer(task.photos)}


def test_a_photo_that_ends_its_process_is_an_error_and_those_of_a_store_are_answered(
    store: Any,
    settings: AnswerSettings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    for index in range(12):
        store.put_object(Bucket=BUCKET, Key=f"{index:02}.png", Body=picture((250, index, 10)))
    photos = list(list_store(f"s3://{BUCKET}"))
    photos.insert(5, ArchivePhoto(str(tmp_path / ENDING)))
    monkeypatch.setattr(ray_engine, "RayProcess", EndedByPhoto)
    monkeypatch.setattr(ray_engine, "RETRIES", 0)
    monkeypatch.setenv("HOME", str(tmp_path))  # Ray writes a token there
    monkeypatch.setenv("RAY_AUTH_MODE", "token")  # and sets this, which is undone after the test
    monkeypatch.delenv("RAY_AUTH_MODE")
    handler = signal.getsignal(signal.SIGTERM)
    capfd.readouterr()
    rows = by_photo(list(RayEngine(settings, processes=2).answer(iter(tasks_of(photos, 3)))))
    assert capfd.readouterr() == ("", "")
    assert signal.getsignal(signal.SIGTERM) is handler
    assert not ray.is_initialized()
    killed = rows.pop(photos[5].name)
    assert (killed.error_kind, killed.passing) == ("killed", True)
    assert killed.error == "the process that read it was ended by the system"
    assert rows == {row.photo: row for row in Answerer(settings).answer([*photos[:5], *photos[6:]])}
