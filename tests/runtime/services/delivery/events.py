"""Events and receivers of the tests."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from runtime.services.delivery.event import AnswerEvent, new_event


def an_answer(label: str = "sunflower", verdict: str = "name", probability: float = 0.9) -> dict[str, Any]:
    return {
        "photo": "/photos/a.jpg",
        "verdict": verdict,
        "familiarity": 0.5,
        "uncertain": verdict != "name",
        "predictions": [
            {"label": label, "index": 3, "probability": probability},
            {"label": "daffodil", "index": 4, "probability": 0.05},
        ],
    }


def an_event(number: int = 0, picture: bytes | None = None, **answer: Any) -> AnswerEvent:
    return new_event({**an_answer(**answer), "id": str(number)}, "watch", picture)


class Recorder:
    """A receiver that fails with the errors that are in ``errors``, in this order, and then takes every event."""

    def __init__(self, name: str = "test://one", errors: Sequence[Exception] = ()) -> None:
        self.name = name
        self.errors = [*errors]
        self.taken: list[AnswerEvent] = []
        self.attempts = 0
        self.open = threading.Event()
        """While it is not set, a delivery waits."""
        self.open.set()
        self.is_delivering = threading.Event()
        """Set when the first delivery begins."""
        self.is_closed = False

    def start(self) -> None: ...

    def deliver(self, event: AnswerEvent) -> None:
        self.is_delivering.set()
        self.open.wait(30)
        self.attempts += 1
        if self.errors:
            raise self.errors.pop(0)
        self.taken.append(event)

    def close(self) -> None:
        self.is_closed = True

    @property
    def ids(self) -> list[str]:
        return [event.id for event in self.taken]


def wait_until(condition: Callable[[], object], seconds: float = 30) -> None:
    """Wait until a condition holds. Fails after ``seconds``, which is far more than any machine needs."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.01)
