"""What happens to answers before they are sent."""

import math
import threading
from typing import Any

import pytest

from runtime import FlowerClassifier
from runtime.services.serving.finishing import FinishingThread
from runtime.services.serving.service import seldom
from tests.runtime.services.serving.running import PATIENCE_S, read_all, running


def test_an_answer_is_sent_when_it_is_handed_on(classifier: FlowerClassifier, red: bytes) -> None:
    called, may_go_on = threading.Semaphore(0), threading.Event()
    request = b"POST /classify HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"

    def on_answer(answer: dict[str, Any], photo: bytes) -> None:
        called.release()
        assert may_go_on.wait(PATIENCE_S)

    with running(classifier, on_answer, queue=2) as service:
        waiting = [service.connect(request % len(red) + red) for _ in range(2)]
        assert called.acquire(timeout=PATIENCE_S)
        service.until_held(2)
        answer = service.request("POST", "/classify", red)
        assert (answer.status, int(answer.headers["retry-after"]) >= 1) == (429, True)
        assert service.request("GET", "/health").status == 200  # the event loop does not wait
        for connection in waiting:
            connection.settimeout(0)
            with pytest.raises(BlockingIOError):
                connection.recv(1)
            connection.settimeout(PATIENCE_S)
        may_go_on.set()
        for connection in waiting:
            assert read_all(connection).startswith(b"HTTP/1.1 200 ")
            connection.close()
        service.until_held(0)


def test_an_answer_that_cannot_be_handed_on_is_sent(classifier: FlowerClassifier, red: bytes) -> None:
    received: list[tuple[dict[str, Any], bytes]] = []

    def on_answer(answer: dict[str, Any], photo: bytes) -> None:
        received.append((answer, photo))
        raise TimeoutError("the receiver\nfailed")

    with running(classifier, on_answer) as service:
        answers = [service.request("POST", "/classify", red).json for _ in range(2)]
        assert received == [(answer, red) for answer in answers]
        assert service.request("POST", "/classify", b"no photo").status == 422
    assert len(received) == 2
    assert service.said[1:] == ["an answer could not be delivered (TimeoutError: the receiver failed)"]


def test_answers_are_extended_outside_the_event_loop(classifier: FlowerClassifier, red: bytes) -> None:
    extended, may_go_on = threading.Event(), threading.Event()
    threads: list[threading.Thread] = []
    received: list[dict[str, Any]] = []

    def extend(values: dict[str, Any], photo: bytes) -> dict[str, Any]:
        threads.append(threading.current_thread())
        extended.set()
        assert may_go_on.wait(PATIENCE_S)
        return {**values, "bytes": len(photo)}

    def on_answer(answer: dict[str, Any], photo: bytes) -> None:
        threads.append(threading.current_thread())
        received.append(answer.copy())
        answer.clear()  # the answer that is sent is made before

    with running(classifier, on_answer, extend) as service:
        answers: list[Any] = []
        client = threading.Thread(target=lambda: answers.append(service.request("POST", "/classify", red).json))
        client.start()
        assert extended.wait(PATIENCE_S)
        assert service.request("GET", "/health").status == 200
        may_go_on.set()
        client.join(PATIENCE_S)
    assert answers == received
    assert answers[0]["bytes"] == len(red)
    assert threads[0] is threads[1]


def test_an_error_of_an_extension_is_not_delivered(classifier: FlowerClassifier, red: bytes) -> None:
    received: list[dict[str, Any]] = []

    def extend(values: dict[str, Any], photo: bytes) -> dict[str, Any]:
        if not received and not errors:
            errors.append(TimeoutError("secret"))
            raise errors[0]
        return values

    errors: list[Exception] = []
    with running(classifier, lambda answer, photo: received.append(answer), extend) as service:
        answer = service.request("POST", "/classify", red)
        assert (answer.status, "secret" in answer.json["error"], received) == (500, False, [])
        assert service.request("POST", "/classify", red).status == 200  # the thread goes on
        assert len(received) == 1


def test_a_cancelled_answer_is_not_handed_on() -> None:
    begun, may_go_on = threading.Event(), threading.Event()
    received: list[int] = []

    def on_answer(answer: dict[str, Any], photo: bytes) -> None:
        begun.set()
        assert may_go_on.wait(PATIENCE_S)
        received.append(answer["number"])

    thread = FinishingThread(on_answer, None, print)
    first, second, third = [thread.submit({"number": number}, b"") for number in range(3)]
    assert begun.wait(PATIENCE_S)
    assert second.cancel()
    may_go_on.set()
    assert third.result(PATIENCE_S).body == b'{"number":2}'
    thread.end(math.inf)
    assert (first.done(), received, thread.is_moving()) == (True, [0, 2], False)


def test_threads_may_say_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    say = seldom(said.append)
    monkeypatch.setattr("runtime.services.serving.service.SAID_AGAIN_S", math.inf)

    def say_all() -> None:
        for number in range(100):
            say(f"line {number}")

    threads = [threading.Thread(target=say_all) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(PATIENCE_S)
    assert sorted(said) == sorted(f"line {number}" for number in range(100))
