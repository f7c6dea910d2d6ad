"""The thread that answers."""

import math
import threading
from collections.abc import Iterator

import numpy as np
import pytest

from runtime import FlowerClassifier, FlowerError, ModelError, PhotoError
from runtime.inference.session import Outputs
from runtime.services.serving.answering import AnsweringThread
from tests.runtime.services.serving.running import PATIENCE_S


@pytest.fixture
def batches(classifier: FlowerClassifier, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of the batches that the network has got."""
    sizes: list[int] = []
    run = classifier._session.run

    def recorded(images: np.ndarray) -> Outputs:
        sizes.append(len(images))
        return run(images)

    monkeypatch.setattr(classifier._session, "run", recorded)
    return sizes


@pytest.fixture
def thread(classifier: FlowerClassifier) -> Iterator[AnsweringThread]:
    each = AnsweringThread(classifier)
    yield each
    each.end(PATIENCE_S)
    assert not each.is_moving()


def test_the_end_may_have_no_limit(classifier: FlowerClassifier) -> None:
    thread = AnsweringThread(classifier)
    thread.end(math.inf)
    assert not thread.is_moving()


def test_photos_that_wait_are_answered_in_batches(
    thread: AnsweringThread, batches: list[int], red: bytes, classifier: FlowerClassifier
) -> None:
    answers = [thread.submit(red if number % 10 else b"no photo") for number in range(200)]
    for number, answer in enumerate(answers):
        if number % 10:
            assert answer.result(PATIENCE_S) == classifier.predict(red, 3)
        else:
            assert isinstance(answer.exception(PATIENCE_S), PhotoError)
    assert max(batches) > 1


def test_one_photo_waits_for_no_other(thread: AnsweringThread, batches: list[int], red: bytes) -> None:
    for _ in range(3):
        assert thread.submit(red).result(PATIENCE_S).best.label == "red"
    assert batches == [1, 1, 1]


def test_a_photo_that_nobody_needs_is_left_out(
    classifier: FlowerClassifier, batches: list[int], red: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = threading.Event()
    pixels = classifier._pixels

    def wait(photo: bytes | FlowerError) -> np.ndarray:
        assert go.wait(PATIENCE_S)
        return pixels(photo)

    monkeypatch.setattr(classifier, "_pixels", wait)
    thread = AnsweringThread(classifier)
    first, *others = [thread.submit(red) for _ in range(50)]
    cancelled = [answer for answer in others if answer.cancel()]
    assert len(cancelled) >= len(others) - classifier.threads - 1
    go.set()
    last = thread.submit(red)
    assert first.result(PATIENCE_S) == last.result(PATIENCE_S)
    thread.end(PATIENCE_S)
    assert sum(batches) == 51 - len(cancelled)


def test_a_photo_on_which_the_network_fails_spoils_no_other(
    thread: AnsweringThread, classifier: FlowerClassifier, red: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = classifier._session.run
    green = np.zeros((16, 16, 3), np.uint8)
    green[..., 1] = 255

    def failing(images: np.ndarray) -> Outputs:
        if (images[..., 1] > images[..., 0]).any():
            raise ModelError("the network failed")
        return run(images)

    monkeypatch.setattr(classifier._session, "run", failing)
    bad = [number % 7 == 3 for number in range(100)]
    answers = [thread.submit(green if each else red) for each in bad]  # type: ignore[arg-type]
    for each, answer in zip(bad, answers, strict=True):
        if each:
            assert isinstance(answer.exception(PATIENCE_S), ModelError)
        else:
            assert answer.result(PATIENCE_S).best.label == "red"


def test_an_unexpected_error_does_not_end_the_thread(
    thread: AnsweringThread, classifier: FlowerClassifier, red: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("unexpected")

    monkeypatch.setattr(classifier._session, "run", fail)
    assert isinstance(thread.submit(red).exception(PATIENCE_S), FlowerError)
    monkeypatch.undo()
    assert thread.submit(red).result(PATIENCE_S).best.label == "red"
