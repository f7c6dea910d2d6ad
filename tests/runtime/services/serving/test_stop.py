"""The start and the stop of the service, as a process of its own."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
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
from tests.runtime.services.serving.running import PATIENCE_S, running
from tests.samples.tiny_model import save_tiny_model

ROOT = Path(__file__).parents[4]
HEAD = b"POST /classify HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n"
CODE = """
import sys, time
from runtime import FlowerClassifier
from runtime.services.serving.serve import serve
from runtime.services.serving.settings import ServeSettings

class Slow(FlowerClassifier):
    def predict_many(self, photos, top=5):
        time.sleep(float(sys.argv[2]))
        yield from super().predict_many(photos, top)

def say(line):
    print(line, flush=True)

def on_answer(answer, photo):
    say(f"delivered {answer['photo']}")

serve(Slow(sys.argv[1]), ServeSettings(port=0, stop_seconds=float(sys.argv[3])), say=say, on_answer=on_answer)
print("ended")
"""


@contextmanager
def process(
    tmp_path: Path, seconds: float, stop_seconds: float = 30, **variables: str
) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Start a service that takes ``seconds`` for each batch, and yield it with its port."""
    model = save_tiny_model(tmp_path / "tiny.onnx")
    with subprocess.Popen(
        [sys.executable, "-c", CODE, str(model), str(seconds), str(stop_seconds)], cwd=ROOT, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=os.environ | variables,
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


def until_metric(port: int, line: str) -> None:
    """Wait until the metrics have a line."""
    for _ in range(10 * PATIENCE_S):
        connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
        connection.request("GET", "/metrics")
        if line in connection.getresponse().read().decode().splitlines():
            return
        time.sleep(0.1)
    raise AssertionError(f"the metrics never say {line}")


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_answers_that_are_begun_are_finished(tmp_path: Path, red: bytes, ending: signal.Signals) -> None:
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(str(tmp_path / "notify"))
    manager.settimeout(PATIENCE_S)
    with process(tmp_path, 2, NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC="1000000") as (service, port):
        assert {manager.recv(100), manager.recv(100)} == {b"READY=1", b"WATCHDOG=1"}
        begun = [send(port, red) for _ in range(3)]
        until_metric(port, "flower_edge_queue_photos 3.0")
        service.send_signal(ending)
        while (message := manager.recv(100)) != b"STOPPING=1":
            assert message == b"WATCHDOG=1"
        for method, path in (("POST", "/classify"), ("GET", "/health")):
            late = HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
            late.request(method, path, red if method == "POST" else None)
            answer = late.getresponse()
            assert (answer.status, b"stopping" in answer.read()) == (503, True)
            late.close()
        for connection in begun:
            answer = connection.getresponse()
            assert (answer.status, json.loads(answer.read())["predictions"][0]["label"]) == (200, "red")
        assert service.wait(PATIENCE_S) == 0
        assert service.stdout is not None
        assert service.stdout.read().splitlines() == ["delivered upload"] * 3 + ["ended"]
    manager.close()


def test_the_stop_has_an_end(tmp_path: Path, red: bytes) -> None:
    with process(tmp_path, 1000, stop_seconds=2) as (service, port):
        waiting = send(port, red)
        until_metric(port, "flower_edge_queue_photos 1.0")
        service.send_signal(signal.SIGTERM)
        assert service.wait(PATIENCE_S) == 0
        assert service.stdout is not None
        assert "1 photos could not be answered before the stop" in service.stdout.read()
        waiting.close()


def test_a_second_signal_waits_for_no_answer(tmp_path: Path, red: bytes) -> None:
    with process(tmp_path, 1000, stop_seconds=3600) as (service, port):
        waiting = send(port, red)
        until_metric(port, "flower_edge_queue_photos 1.0")
        service.send_signal(signal.SIGINT)
        time.sleep(0.5)  # two signals at once may be one
        service.send_signal(signal.SIGINT)
        assert service.wait(PATIENCE_S) == 0
        waiting.close()


def test_a_photo_that_arrives_too_slowly_does_not_hold_the_stop(classifier: FlowerClassifier) -> None:
    with running(classifier, stop_seconds=2, body_seconds=3000) as service, service.connect(HEAD) as slow:
        while service.service._flowers.held != 1:
            time.sleep(0.01)
        service.service.stop()
        assert slow.recv(65536).startswith(b"HTTP/1.1 503 ")


def test_a_stalled_thread_gives_no_sign_of_life(
    classifier: FlowerClassifier, red: bytes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(str(tmp_path / "notify"))
    manager.settimeout(PATIENCE_S)
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    monkeypatch.setenv("WATCHDOG_USEC", "100000")
    monkeypatch.setattr("runtime.services.serving.answering.STALLED_AFTER_S", 0.2)
    blocked = FlowerClassifier(save_tiny_model(tmp_path / "tiny.onnx"))

    def sleep(*_: object, **__: object) -> Iterator[object]:
        time.sleep(2)
        yield from ()

    monkeypatch.setattr(blocked, "predict_many", sleep)
    with running(blocked, stop_seconds=1) as service, service.connect(HEAD + bytes(9)):
        while service.request("GET", "/health").status == 200:
            time.sleep(0.05)
        assert service.request("GET", "/health").json == {"status": "stalled"}
        manager.settimeout(0)
        with contextlib.suppress(BlockingIOError):
            while manager.recv(100):  # those from before
                pass
        time.sleep(0.3)
        with pytest.raises(BlockingIOError):
            manager.recv(100)
    manager.close()


def test_an_address_in_use_is_one_line(classifier: FlowerClassifier) -> None:
    with running(classifier) as service, pytest.raises(FlowerError, match=f"port {service.port} of .* cannot be used"):
        Service(classifier, ServeSettings(port=service.port), print, None)
