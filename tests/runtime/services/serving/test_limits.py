"""Limits of size, time and number."""

import socket
import time
from collections.abc import Iterator

import pytest

from runtime import FlowerClassifier
from tests.runtime.services.serving.running import PATIENCE_S, Running, form, read_all, running

LIMIT = 100_000
HEAD = b"POST /classify HTTP/1.1\r\nHost: localhost\r\n"


def status_of(content: bytes) -> int:
    return int(content.split(b" ", 2)[1])


def trickle(connection: socket.socket, piece: bytes) -> bytes:
    """Send ``piece`` again and again, slowly, until the other side closes, and return what it sent."""
    received = b""
    connection.settimeout(0.05)
    for _ in range(20 * PATIENCE_S):
        try:
            connection.sendall(piece)
            part = connection.recv(65536)
        except TimeoutError:
            continue
        except ConnectionError:
            return received
        if not part:
            return received
        received += part
    raise AssertionError("the connection is still open")


@pytest.fixture(scope="module")
def small(classifier: FlowerClassifier) -> Iterator[Running]:
    with running(classifier, body_bytes=LIMIT) as each:
        yield each


def test_a_body_that_is_announced_as_too_large_is_not_read(small: Running) -> None:
    with small.connect(HEAD + b"Content-Length: 99999999999\r\nExpect: 100-continue\r\n\r\n") as connection:
        content = read_all(connection)
    assert (status_of(content), b"100 Continue" in content) == (413, False)


@pytest.mark.parametrize("in_chunks", [False, True])
def test_a_body_that_is_too_large_gets_its_answer(small: Running, in_chunks: bool) -> None:
    body = bytes(2_000_000)  # more than the system's buffers hold
    for kind in ("image/png", form()[1]):
        answer = small.request("POST", "/classify", iter([body]) if in_chunks else body, Content_Type=kind)
        expected = 400 if in_chunks and kind != "image/png" else 413  # these bytes begin no form
        assert (answer.status, answer.headers["connection"]) == (expected, "close")


def test_the_limit_of_a_form_is_that_of_its_photo(small: Running) -> None:
    for size, status in ((LIMIT, 422), (LIMIT + 1, 413)):
        body, kind = form(("photo", "a.png", bytes(size)))
        assert small.request("POST", "/classify", body, Content_Type=kind).status == status


def test_a_slow_body_is_ended_and_gives_its_place_back(classifier: FlowerClassifier, red: bytes) -> None:
    with running(classifier, body_seconds=0.5, queue=1) as service:
        with service.connect(HEAD + b"Content-Length: 90000\r\n\r\n") as connection:
            assert status_of(trickle(connection, b"x")) == 408
        assert service.request("POST", "/classify", red).status == 200


@pytest.mark.parametrize("begin", [b"", HEAD, b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n" + HEAD])
def test_a_slow_head_is_ended(classifier: FlowerClassifier, begin: bytes) -> None:
    with running(classifier, head_seconds=0.5) as service, service.connect(begin) as connection:
        received = trickle(connection, b"X")
    assert received == b"" or received.count(b"HTTP/1.1") == received.count(b"200 OK") == 1


def test_a_body_that_no_answer_needs_cannot_hold_the_connection(classifier: FlowerClassifier) -> None:
    with running(classifier) as service:
        request = b"GET /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: 90000\r\n\r\n"
        with service.connect(request) as connection:
            assert status_of(trickle(connection, b"x")) == 200


def test_a_head_that_is_too_large_is_refused(small: Running) -> None:
    with small.connect(HEAD + b"X: " + b"x" * 40_000) as connection:
        assert status_of(connection.recv(65536)) == 400


def test_a_full_queue_refuses_at_once_and_before_the_body(classifier: FlowerClassifier, red: bytes) -> None:
    with running(classifier, queue=2) as service:
        waiting = [service.connect(HEAD + b"Content-Length: 9\r\n\r\nx") for _ in range(2)]
        service.until_held(2)
        with service.connect(HEAD + b"Content-Length: 9\r\nExpect: 100-continue\r\n\r\n") as connection:
            content = read_all(connection)
        assert (status_of(content), b"100 Continue" in content) == (429, False)
        answer = service.request("POST", "/classify", red)
        assert (answer.status, 1 <= int(answer.headers["retry-after"]) <= 60) == (429, True)
        assert service.request("GET", "/health").status == 200
        for connection in waiting:  # a client that goes gives its place back
            connection.close()
        service.until_held(0)
        assert service.request("POST", "/classify", red).status == 200


def test_the_bytes_of_all_photos_are_limited(classifier: FlowerClassifier, red: bytes) -> None:
    with running(classifier, body_bytes=LIMIT, queue_bytes=LIMIT) as service:
        with service.connect(HEAD + b"Content-Length: 100000\r\n\r\n" + bytes(LIMIT - 1)) as connection:
            service.until_held(1)
            for _ in range(1000):
                if (answer := service.request("POST", "/classify", bytes(LIMIT))).status == 429:
                    break
            assert answer.status == 429
            connection.sendall(b"x")
            assert status_of(connection.recv(65536)) == 422  # the one that came first is not disturbed
        assert service.request("POST", "/classify", red).status == 200


def test_connections_are_limited(classifier: FlowerClassifier) -> None:
    with running(classifier, connections=2) as service:
        open_ones = [service.connect() for _ in range(2)]
        contents = []
        for _ in range(100):
            with service.connect() as connection:
                contents.append(read_all(connection))
            if contents[-1]:
                break
        assert status_of(contents[-1]) == 503
        for connection in open_ones:
            connection.close()
        for _ in range(100):
            with service.connect(b"GET /health HTTP/1.0\r\nHost: localhost\r\n\r\n") as connection:
                content = read_all(connection)
            if content and status_of(content) == 200:
                return
            time.sleep(0.1)
        raise AssertionError("no connection was taken again")


def test_a_client_that_reads_nothing_is_ended(classifier: FlowerClassifier, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.services.serving.connection.STALLED_S", 0.5)
    request = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with running(classifier, head_seconds=0.5) as service, service.connect() as connection:
        connection.settimeout(0.2)
        latest = time.monotonic() + PATIENCE_S
        while time.monotonic() < latest:  # answers that nobody reads fill the buffers
            try:
                connection.send(request * 100)
            except TimeoutError:
                continue
            except ConnectionError:
                return
        raise AssertionError("the connection is still open")
