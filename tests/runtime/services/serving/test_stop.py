"""The start and the stop of the service, as a process of its own."""

import contextlib
import json
import os
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

import pytest

from runtime import FlowerClassifier
from runtime.errors import FlowerError
from runtime.services.serving.service import Service
from runtime.services.serving.settings import ServeSettings
from tests.runtime.child_process import enable_keyboard_interrupt
from tests.runtime.services.serving.running import PATIENCE_S, running, until
from tests.samples.tiny_model import save_tiny_model

ROOT = Path(__file__).parents[4]
HEAD = b"POST /classify HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n"
CODE = """
import os, sys
from runtime import FlowerClassifier
from runtime.command_line.descriptions import model_values
from runtime.services.serving.serve import serve
from runtime.services.serving.settings import ServeSettings

class Waiting(FlowerClassifier):
    def predict_many(self, photos, top=5):
        os.read(0, 1)  # until the test closes standard input
        yield from super().predict_many(photos, top)

def say(line):
    print(line, flush=True)

def on_answer(answer, photo):
    say(f"delivered {answer['photo']}")

classifier = Waiting(sys.argv[1])
settings = ServeSettings(port=0, stop_seconds=float(sys.argv[2]))
serve(classifier, settings, say=say, description=model_values(classifier), on_answer=on_answer)
print("ended")
"""


@contextmanager
def process(
    tmp_path: Path, stop_seconds: float = PATIENCE_S, **variables: str
) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Start a service that answers nothing until its standard input is closed, and yield it with its port."""
    model = save_tiny_model(tmp_path / "tiny.onnx")
    with subprocess.Popen(
        [sys.executable, "-c", CODE, str(model), str(stop_seconds)], cwd=ROOT, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=os.environ | variables,
        preexec_fn=enable_keyboard_interrupt,
    ) as started:  # fmt: skip
        try:
            assert started.stdout is not None
            address = re.fullmatch(r"http://127\.0\.0\.1:(\d+)/  \(stop with Ctrl-C\)\n", started.stdout.readline())
            assert address is not None
            yield started, int(address[1])
        finally:
            started.kill()  # or a failure here would wait for it for ever


def send(port: int, photo: bytes) -> HTTPConnection:
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    connection.request("POST", "/classify", photo)
    return connection


def get(port: int, path: str) -> tuple[int, bytes]:
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def until_metric(port: int, line: str) -> None:
    """Wait until the metrics have a line."""
    until(lambda: line in get(port, "/metrics")[1].decode().splitlines())


def until_message(manager: socket.socket, message: bytes) -> None:
    """Read messages to the service manager until one comes. The others are signs of life."""
    while (each := manager.recv(100)) != message:
        assert each == b"WATCHDOG=1"


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_answers_that_are_begun_are_finished(tmp_path: Path, red: bytes, ending: signal.Signals) -> None:
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(str(tmp_path / "notify"))
    manager.settimeout(PATIENCE_S)
    with process(tmp_path, NOTIFY_SOCKET=str(tmp_path / "notify")) as (service, port):
        until_message(manager, b"READY=1")
        begun = [send(port, red) for _ in range(3)]
        until_metric(port, "flower_edge_queue_photos 3.0")
        service.send_signal(ending)
        until_message(manager, b"STOPPING=1")
        late = send(port, red).getresponse()
        assert (late.status, b"stopping" in late.read()) == (503, True)
        assert get(port, "/health") == (503, b'{"status":"stopping"}')
        assert service.stdin is not None
        service.stdin.close()
        for connection in begun:
            answer = connection.getresponse()
            assert (answer.status, json.loads(answer.read())["predictions"][0]["label"]) == (200, "red")
        assert service.wait(PATIENCE_S) == 0
        assert service.stdout is not None
        assert service.stdout.read().splitlines() == ["delivered upload"] * 3 + ["ended"]
    manager.close()


def test_the_stop_has_an_end(tmp_path: Path, red: bytes) -> None:
    with process(tmp_path, stop_seconds=2) as (service, port):
        waiting = send(port, red)
        until_metric(port, "flower_edge_queue_photos 1.0")
        service.send_signal(signal.SIGTERM)
        assert service.wait(PATIENCE_S) == 0
        assert service.stdout is not None
        assert "1 photos could not be answered before the stop" in service.stdout.read()
        waiting.close()


def test_a_second_signal_waits_for_no_answer(tmp_path: Path, red: bytes) -> None:
    with process(tmp_path, stop_seconds=3600) as (service, port):
        waiting = send(port, red)
        until_metric(port, "flower_edge_queue_photos 1.0")
        service.send_signal(signal.SIGINT)
        until(lambda: get(port, "/health")[0] == 503)  # two signals at once may be one
        service.send_signal(signal.SIGINT)
        assert service.wait(PATIENCE_S) == 0
        waiting.close()


def test_a_photo_that_arrives_too_slowly_does_not_hold_the_stop(classifier: FlowerClassifier) -> None:
    with running(classifier, stop_seconds=2, body_seconds=3000) as service, service.connect(HEAD) as slow:
        service.until_held(1)
        service.service.stop()
        assert slow.recv(65536).startswith(b"HTTP/1.1 503 ")


@pytest.mark.parametrize("stalled", ["answering", "finishing"])
def test_a_stalled_thread_gives_no_sign_of_life(
    red: bytes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, stalled: str
) -> None:
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(str(tmp_path / "notify"))
    manager.settimeout(PATIENCE_S)
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    monkeypatch.setenv("WATCHDOG_USEC", "100000")
    monkeypatch.setattr(f"runtime.services.serving.{stalled}.STALLED_AFTER_S", 0.2)
    blocked, may_go_on = FlowerClassifier(save_tiny_model(tmp_path / "tiny.onnx")), threading.Event()
    predict_many = blocked.predict_many
    rounds: queue.Queue[bool] = queue.Queue()

    def wait(*_: object) -> None:
        assert may_go_on.wait(PATIENCE_S)

    def wait_and_predict(photos: Iterator[bytes], top: int) -> Iterator[object]:
        wait()
        yield from predict_many(photos, top=top)

    if stalled == "answering":
        monkeypatch.setattr(blocked, "predict_many", wait_and_predict)
    with running(blocked, wait if stalled == "finishing" else None) as service:
        flowers, waiting = service.service._flowers, send(service.port, red)
        until(lambda: flowers.held == 1 and not flowers.is_moving())
        assert get(service.port, "/health") == (503, b'{"status":"stalled"}')
        is_moving = flowers.is_moving

        def recorded() -> bool:
            rounds.put(moving := is_moving())
            return moving

        monkeypatch.setattr(flowers, "is_moving", recorded)
        assert rounds.get(timeout=PATIENCE_S) is False
        manager.settimeout(0)
        with contextlib.suppress(BlockingIOError):
            while manager.recv(100):  # those from before
                pass
        assert [rounds.get(timeout=PATIENCE_S) for _ in range(2)] == [False, False]
        with pytest.raises(BlockingIOError):  # the round before the last one is over
            manager.recv(100)
        may_go_on.set()
        manager.settimeout(PATIENCE_S)
        assert waiting.getresponse().status == 200
        assert manager.recv(100) == b"WATCHDOG=1"
    manager.close()


def test_an_address_in_use_is_one_line(classifier: FlowerClassifier) -> None:
    with running(classifier) as service, pytest.raises(FlowerError, match=f"port {service.port} of .* cannot be used"):
        Service(classifier, ServeSettings(port=service.port), print, {})


def test_localhost_is_one_address(classifier: FlowerClassifier) -> None:
    with running(classifier, host="localhost") as service:
        assert service.service.address.startswith("http://127.0.0.1:")
        assert service.request("GET", "/health", Host=f"localhost:{service.port}").status == 200
