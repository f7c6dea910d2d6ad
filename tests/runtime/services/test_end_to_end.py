"""A garden: a film, a folder and HTTP are answered, a broker passes the answers on, and each part is killed once."""

import http.client
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image

from tests.runtime.services.camera.films import BLUE, GREEN, RED, plain, write_film
from tests.runtime.services.delivery.broker import Broker, Subscriber, needs_mosquitto
from tests.runtime.services.delivery.events import wait_until
from tests.samples.tiny_model import save_tiny_model

ROOT = Path(__file__).parents[3]
EVENTS = "garden/event"

pytest.importorskip("starlette")
pytest.importorskip("paho.mqtt.client")


class HomeAssistant:
    """Subscribes as Home Assistant does, and keeps what it received over the restarts of the broker."""

    def __init__(self) -> None:
        self.received: list[tuple[str, str, str]] = []
        """Source, label and identifier of each event."""

    @contextmanager
    def listens(self, broker: Broker) -> Iterator[Subscriber]:
        subscriber = Subscriber(broker.port, "garden/#", "homeassistant/#")
        try:
            yield subscriber
        finally:
            subscriber.close()
            self.received += events(subscriber)


def events(subscriber: Subscriber) -> list[tuple[str, str, str]]:
    """Return source, label and identifier of each event that a subscriber has received."""
    received = [json.loads(payload) for payload in list(subscriber.messages.get(EVENTS, []))]
    return [(event["source"], event["label"], event["id"]) for event in received]


@contextmanager
def service(folder: Path, broker: Broker, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run ``flower-infer`` with a service, and kill it at the end as ``kill -9`` does."""
    command = [
        sys.executable, "-m", "runtime", "--model", str(folder / "tiny.onnx"), "--mqtt", f"{broker.url}/garden",
        "--outbox", str(folder / f"{options[0].strip('-')}.sqlite"), "--quiet", *options,
    ]  # fmt: skip
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


def photo(path: Path, colour: tuple[int, int, int]) -> None:
    """Put a photo in its place at once, as a program does that uploads to another name first."""
    Image.new("RGB", (30, 20), colour).save(path.with_suffix(".part"), "PNG")
    path.with_suffix(".part").rename(path)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def send(port: int, content: bytes) -> str:
    """Return the best label for a photo that is sent by HTTP as soon as the service listens; empty for an error."""
    deadline = time.monotonic() + 120
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        try:
            connection.request("POST", "/classify", content)
            answer = json.loads(connection.getresponse().read())
            return str(answer["predictions"][0]["label"]) if "predictions" in answer else ""
        except ConnectionRefusedError:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        finally:
            connection.close()


@needs_mosquitto
def test_nothing_is_lost_when_each_part_is_killed(tmp_path: Path) -> None:
    save_tiny_model(tmp_path / "tiny.onnx")
    film = write_film(tmp_path / "film.mp4", [plain(RED)] * 6 + [plain(BLUE)] * 10)
    (incoming := tmp_path / "incoming").mkdir()
    port, log = free_port(), incoming / "flower-infer.jsonl"
    green = tmp_path / "green.png"
    Image.new("RGB", (30, 20), GREEN).save(green)
    home, broker = HomeAssistant(), Broker(tmp_path)
    watch, serve, camera = ("--watch", str(incoming)), ("--serve", "--port", str(port)), ("--camera", str(film))
    try:
        with home.listens(broker) as subscriber:
            with service(tmp_path, broker, *camera) as process:
                assert process.wait(120) == 0  # the film has ended
            with service(tmp_path, broker, *watch), service(tmp_path, broker, *serve):
                photo(incoming / "1.png", RED)
                assert send(port, green.read_bytes()) == "green"
                wait_until(lambda: len(subscriber.messages.get(EVENTS, [])) == 4)
            assert len([topic for topic in subscriber.messages if topic.endswith("/config")]) >= 4
        # The broker is down, the services answer, and all of them are killed before it comes back.
        broker.kill()
        with service(tmp_path, broker, *watch), service(tmp_path, broker, *serve):
            photo(incoming / "2.png", BLUE)
            assert send(port, b"no photo") == ""  # the service listens
            wait_until(lambda: log.read_bytes().count(b"\n") == 2)
            assert send(port, green.read_bytes()) == "green"  # and the service is killed at once
        broker.start()
        with home.listens(broker) as subscriber, service(tmp_path, broker, *watch), service(tmp_path, broker, *serve):
            # A service that was killed before the broker confirmed an event delivers it again.
            wait_until(lambda: len({*home.received, *events(subscriber)}) == 6)
    finally:
        broker.kill()
    once = {(source, label, identifier) for source, label, identifier in home.received}
    assert sorted((source, label) for source, label, _ in once) == [
        ("camera", "blue"),
        ("camera", "red"),
        ("serve", "green"),
        ("serve", "green"),
        ("watch", "blue"),
        ("watch", "red"),
    ]
    assert log.read_bytes().count(b"\n") == 2
