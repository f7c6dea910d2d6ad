"""What happens to an answer after it was sent, in a thread of its own so that no answer waits for it."""

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

MAX_WAITING, MAX_WAITING_BYTES = 64, 16 * 1024**2
"""Most answers that wait, and most bytes of their photos together. A photo that waits alone may be larger."""


class AfterAnswer:
    """Hands answers to a function, one at a time and in order.

    Args:
        on_answer: gets an answer as JSON values, and the bytes of the photo.
        say: shows a line to the user: that answers are left out, or that the function fails. Each is said when it
            begins, and again only after it had ended.
    """

    def __init__(self, on_answer: Callable[[dict[str, Any], bytes], None], say: Callable[[str], None]) -> None:
        self._on_answer, self._say = on_answer, say
        self._waiting: SimpleQueue[tuple[dict[str, Any], bytes] | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._count = self._size = 0
        self._is_behind, self._failure = False, ""
        self._thread = threading.Thread(target=self._work, name="after-answer", daemon=True)
        self._thread.start()

    def put(self, answer: dict[str, Any], photo: bytes) -> None:
        """Hand over an answer without waiting. If too many wait, it is left out."""
        with self._lock:
            fits_in = self._count < MAX_WAITING and self._size + len(photo) <= MAX_WAITING_BYTES
            fits = self._count == 0 or fits_in
            begins, self._is_behind = not fits and not self._is_behind, not fits
            if fits:
                self._count, self._size = self._count + 1, self._size + len(photo)
        if fits:
            self._waiting.put((answer, photo))
        elif begins:
            self._say("answers come faster than they can be delivered; some are not delivered")

    def end(self, seconds: float) -> None:
        """End the thread after the answers that wait, and wait for that at most ``seconds``."""
        self._waiting.put(None)
        self._thread.join(max(0.0, seconds))
        if self._thread.is_alive():
            self._say(f"{self._count} answers could not be delivered before the stop")

    def _work(self) -> None:
        while (item := self._waiting.get()) is not None:
            failure = ""
            try:
                self._on_answer(*item)
            except Exception as error:  # the next answer may be delivered
                failure = f"an answer could not be delivered ({type(error).__name__}: {error})"
            if failure and failure != self._failure:
                self._say(" ".join(failure.split()))
            self._failure = failure
            with self._lock:
                self._count, self._size = self._count - 1, self._size - len(item[1])
