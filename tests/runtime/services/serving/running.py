"""A service in a thread on 127.0.0.1, and requests to it."""

import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from typing import Any

from runtime import FlowerClassifier
from runtime.command_line.descriptions import model_values
from runtime.services.serving.service import Service
from runtime.services.serving.settings import ServeSettings

PATIENCE_S = 60
"""Seconds after which a test fails instead of waiting for ever."""


@dataclass(frozen=True)
class Answered:
    """What a service answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Running:
    """A service that runs."""

    service: Service
    said: list[str] = field(default_factory=list)

    @property
    def port(self) -> int:
        return int(self.service.address.rstrip("/").rpartition(":")[2])

    def request(self, method: str, path: str, body: object = None, **headers: str) -> Answered:
        """Send one request. In the names of headers ``_`` stands for ``-``; an iterable body is sent in chunks."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, named)  # type: ignore[arg-type]
            answer = connection.getresponse()
            return Answered(answer.status, dict(answer.headers.items()), answer.read())
        finally:
            connection.close()

    def connect(self, sent: bytes = b"") -> socket.socket:
        """Open a connection and send what need not be HTTP."""
        connection = socket.create_connection(("127.0.0.1", self.port), PATIENCE_S)
        connection.sendall(sent)
        return connection

    def until_held(self, count: int) -> None:
        """Wait until the service holds ``count`` photos."""
        until(lambda: self.service._flowers.held == count)


@contextmanager
def running(
    classifier: FlowerClassifier,
    on_answer: Callable[[dict[str, Any], bytes], None] | None = None,
    extend: Callable[[dict[str, Any], bytes], dict[str, Any]] | None = None,
    **settings: Any,
) -> Iterator[Running]:
    """Run a service on a free port until the context ends."""
    ready = threading.Event()
    said: list[str] = []

    def say(line: str) -> None:
        said.append(line)
        ready.set()

    service = Service(
        classifier, ServeSettings(**{"port": 0, **settings}), say, model_values(classifier), on_answer, extend
    )
    thread = threading.Thread(target=service.run)
    thread.start()
    try:
        assert ready.wait(PATIENCE_S)
        yield Running(service, said)
    finally:
        service.stop()
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


def until(holds: Callable[[], bool]) -> None:
    """Wait until a condition holds that no event tells."""
    latest = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < latest
        time.sleep(0.01)


def read_answer(connection: socket.socket) -> tuple[bytes, bytes]:
    """Return the head and the body of one answer, which may arrive in several parts."""
    received = b""
    while b"\r\n\r\n" not in received:
        part = connection.recv(65536)
        assert part
        received += part
    head, _, body = received.partition(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
    assert length is not None
    while len(body) < int(length[1]):
        part = connection.recv(65536)
        assert part
        body += part
    return head, body


def read_all(connection: socket.socket) -> bytes:
    """Return what arrives until the other side closes the connection."""
    parts = []
    try:
        while part := connection.recv(65536):
            parts.append(part)
    except ConnectionResetError:
        parts.append(b"")
    return b"".join(parts)


def form(*fields: tuple[str, str | None, bytes]) -> tuple[bytes, str]:
    """Return a form as its bytes and its type. A field is its name, its file name if it is a file, and its content."""
    parts = []
    for name, file, content in fields:
        disposition = f'form-data; name="{name}"' + ("" if file is None else f'; filename="{file}"')
        parts += [b"--limit\r\nContent-Disposition: ", disposition.encode(), b"\r\n\r\n", content, b"\r\n"]
    return b"".join([*parts, b"--limit--\r\n"]), "multipart/form-data; boundary=limit"
