"""The thread that extends answers and hands them on, before they are sent."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any

from starlette.responses import JSONResponse

from runtime.services.serving.answering import STALLED_AFTER_S

OnAnswer = Callable[[dict[str, Any], bytes], None]
"""Takes the JSON values of an answer and the bytes of its photo."""
Extend = Callable[[dict[str, Any], bytes], dict[str, Any]]
"""From the JSON values of an answer and the bytes of its photo to the JSON values that are sent."""


@dataclass(eq=False)
class _Job:
    values: dict[str, Any]
    photo: bytes
    response: "Future[JSONResponse]" = field(default_factory=Future)


class FinishingThread:
    """Makes responses from answers, one at a time and in order. Both functions may read files and wait for the disk.

    Args:
        on_answer: is called when the response is made. The response is complete when the call has returned. If the call
            raises, that is said and the response stays the same. None hands nothing on.
        extend: adds to the JSON values of an answer; None adds nothing.
        say: shows a line to the user.
    """

    def __init__(self, on_answer: OnAnswer | None, extend: Extend | None, say: Callable[[str], None]) -> None:
        self._on_answer, self._extend, self._say = on_answer, extend, say
        self._waiting: SimpleQueue[_Job | None] = SimpleQueue()
        self._busy_since: float | None = None
        # A daemon thread does not keep the process alive if a function does not return.
        self._thread = threading.Thread(target=self._work, name="finish", daemon=True)
        self._thread.start()

    def submit(self, values: dict[str, Any], photo: bytes) -> "Future[JSONResponse]":
        """Let an answer wait for its response. If the result is cancelled before its turn, nothing is handed on.

        Args:
            values: of the answer, as JSON values.
            photo: the bytes of the photo.

        Returns:
            The response, or the error that ``extend`` raised.
        """
        job = _Job(values, photo)
        self._waiting.put(job)
        return job.response

    def is_moving(self) -> bool:
        """Return whether the thread is alive, and no answer occupies it for too long."""
        since = self._busy_since
        return self._thread.is_alive() and (since is None or time.monotonic() < since + STALLED_AFTER_S)

    def end(self, seconds: float) -> None:
        """End the thread after the answers that wait, and wait for that at most ``seconds``."""
        self._waiting.put(None)
        self._thread.join(min(max(0.0, seconds), threading.TIMEOUT_MAX))

    def _work(self) -> None:
        while (job := self._waiting.get()) is not None:
            if not job.response.set_running_or_notify_cancel():
                continue
            try:
                self._busy_since = time.monotonic()
                job.response.set_result(self._finish(job))
            except Exception as error:  # one answer must not end the thread
                job.response.set_exception(error)
            finally:
                self._busy_since = None

    def _finish(self, job: _Job) -> JSONResponse:
        values = job.values if self._extend is None else self._extend(job.values, job.photo)
        response = JSONResponse(values)  # before it is handed on, so that nothing is delivered that cannot be sent
        if self._on_answer is not None:
            try:
                self._on_answer(values, job.photo)
            except Exception as error:  # the client gets its answer all the same
                reason = f"an answer could not be delivered ({type(error).__name__}: {error})"
                self._say(" ".join(reason.split()))
        return response
