"""A web address that gets answers."""

import json
import socket
import threading
from collections.abc import Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import time
from typing import Any

import pytest

from runtime import FlowerError
from runtime.services.delivery.event import DeliveryError
from runtime.services.delivery.webhook import TOKEN_VARIABLE, WebhookReceiver
from tests.runtime.services.delivery.events import an_event


class Server(ThreadingHTTPServer):
    """Answers every POST with ``status`` and ``headers``, and records the requests."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.status = 204
        self.headers: dict[str, str] = {}
        self.requests: list[tuple[str, dict[str, str], Any]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append((self.path, dict(self.headers.items()), json.loads(content)))
        self.send_response(self.server.status)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_an_answer_is_posted(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, "sesame")
    receiver = WebhookReceiver(f"{server.url}/hook/secret?a=b")
    event = an_event(7)
    receiver.deliver(event)
    ((path, headers, content),) = server.requests
    assert (path, content) == ("/hook/secret?a=b", event.answer)
    assert headers["Idempotency-Key"] == "7"
    assert headers["Authorization"] == "Bearer sesame"
    assert headers["Content-Type"] == "application/json"
    assert receiver.name == server.url


@pytest.mark.parametrize(
    ("status", "passing"), [(400, False), (404, False), (408, True), (429, True), (500, True), (503, True), (302, True)]
)
def test_status_says_whether_the_answer_may_be_taken_later(server: Server, status: int, passing: bool) -> None:
    server.status, server.headers = status, {"Location": "https://elsewhere.invalid/"}
    with pytest.raises(DeliveryError, match=str(status)) as error:
        WebhookReceiver(server.url).deliver(an_event())
    assert error.value.passing is passing
    assert len(server.requests) == 1  # the redirect is not followed


@pytest.mark.parametrize(("value", "lowest", "highest"), [("90", 90, 90), ("soon", 0, 0), ("-5", 0, 0), ("", 0, 0)])
def test_retry_after(server: Server, value: str, lowest: float, highest: float) -> None:
    server.status, server.headers = 503, {"Retry-After": value}
    with pytest.raises(DeliveryError) as error:
        WebhookReceiver(server.url).deliver(an_event())
    assert lowest <= error.value.retry_after_s <= highest


def test_retry_after_as_a_date(server: Server) -> None:
    server.status, server.headers = 503, {"Retry-After": formatdate(time() + 3600, usegmt=True)}
    with pytest.raises(DeliveryError) as error:
        WebhookReceiver(server.url).deliver(an_event())
    assert 3000 < error.value.retry_after_s <= 3600


def test_no_server_is_a_passing_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    with pytest.raises(DeliveryError, match="Connection refused") as error:
        WebhookReceiver(f"http://127.0.0.1:{port}/").deliver(an_event())
    assert error.value.passing


@pytest.mark.parametrize("response", [b"", b"HTTP/1.1 2"])
def test_a_server_that_stays_silent_is_left(response: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        receiver = WebhookReceiver(f"http://127.0.0.1:{listening.getsockname()[1]}/", timeout_s=20, total_s=0.3)
        answered: list[DeliveryError] = []

        def deliver() -> None:
            with pytest.raises(DeliveryError) as error:
                receiver.deliver(an_event())
            answered.append(error.value)

        thread = threading.Thread(target=deliver)
        thread.start()
        connection, _ = listening.accept()
        with connection:
            connection.sendall(response)
            thread.join(15)  # less than the timeout of a read
        assert [error.passing for error in answered] == [True]


def test_certificate_that_is_not_trusted_is_said(server: Server) -> None:
    with pytest.raises(DeliveryError, match="cannot be reached") as error:  # no TLS there
        WebhookReceiver(server.url.replace("http", "https")).deliver(an_event())
    assert error.value.passing


@pytest.mark.parametrize(
    "url",
    ["http://anna:secret@host/", "https://anna@host/", "ftp://host/", "http:///path", "http://host:99999/", "host/a b",
     "http://host/a b", "http://host/\u00e4"],
)  # fmt: skip
def test_wrong_addresses_are_refused_without_showing_them(url: str) -> None:
    with pytest.raises(FlowerError) as error:
        WebhookReceiver(url)
    assert "secret" not in str(error.value)
