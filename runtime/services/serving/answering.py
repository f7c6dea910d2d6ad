"""The thread that answers the photos of all requests, in batches if several wait."""

import threading
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue

from runtime.answers.answer import Answer
from runtime.classifier import FlowerClassifier
from runtime.errors import FlowerError, OutOfMemoryError, says_too_little_memory

STALLED_AFTER_S = 120.0
"""Seconds without an answer, while photos wait, after which the thread counts as stalled."""
FIRST_GUESS_S = 0.1
"""Seconds for a photo, before any was answered."""
KEPT_SHARE = 0.9
"""Share of the old value in the moving average of the seconds for a photo."""


@dataclass(eq=False)
class Job:
    """A photo that waits for its answer."""

    photo: bytes
    answer: "Future[Answer]" = field(default_factory=Future)
    """Gets the answer with all classes, or a `FlowerError`. Who cancels it needs no answer any more."""


class AnsweringThread:
    """Answers photos in the order in which they come, through one classifier.

    The photos that wait are given to `FlowerClassifier.predict_many` as long as there are any. That decodes them in
    threads and runs the network on batches. When none waits, the run ends, so no answer waits for a further photo.

    Args:
        classifier: names the flowers.
    """

    def __init__(self, classifier: FlowerClassifier) -> None:
        self._classifier = classifier
        self._top = len(classifier.classes)
        self._waiting: SimpleQueue[Job | None] = SimpleQueue()
        self._busy, self._ending = False, False
        self._moved = time.monotonic()
        self.seconds_per_photo = FIRST_GUESS_S
        """A moving average, for estimates of when the queue is shorter."""
        # A daemon thread does not keep the process alive if native code does not return.
        self._thread = threading.Thread(target=self._work, name="answer", daemon=True)
        self._thread.start()

    def submit(self, photo: bytes) -> "Future[Answer]":
        """Let a photo wait for its answer. The result has all classes; errors are `FlowerError`."""
        job = Job(photo)
        self._waiting.put(job)
        return job.answer

    def is_moving(self) -> bool:
        """Return whether the thread is alive, and answered something lately if photos wait."""
        return self._thread.is_alive() and (not self._busy or time.monotonic() < self._moved + STALLED_AFTER_S)

    def end(self, seconds: float) -> None:
        """End the thread after the photos that wait, and wait for that at most ``seconds``."""
        self._waiting.put(None)
        self._thread.join(min(max(0.0, seconds), threading.TIMEOUT_MAX))

    def _work(self) -> None:
        while not self._ending and (job := self._waiting.get()) is not None:
            run = _Run(job, self)
            try:
                self._moved, self._busy = time.monotonic(), True
                self._answer_all(run)
            except Exception as error:  # it must not end the thread, and no photo may wait for ever
                run.stop()
                while run.taken:
                    reason = f"the photo could not be answered ({type(error).__name__}: {error})"
                    _finish(run.taken.popleft(), FlowerError(reason))
            finally:
                self._busy = False

    def _answer_all(self, run: "_Run") -> None:
        """Answer the first photo of a run and those that wait then, until none waits."""
        begin, count = time.monotonic(), 0
        try:
            for _, result in self._classifier.predict_many(run.photos(), top=self._top):
                _finish(run.taken.popleft(), result)
                self._moved, count = time.monotonic(), count + 1
        except Exception:
            # The error stopped the run. Its cause may be one photo, or the memory for a batch: each is tried alone.
            run.stop()
            while run.taken:
                result = self._answer_one(run.taken[0])
                _finish(run.taken.popleft(), result)
                self._moved, count = time.monotonic(), count + 1
        if count:
            average = (time.monotonic() - begin) / count
            self.seconds_per_photo = KEPT_SHARE * self.seconds_per_photo + (1 - KEPT_SHARE) * average

    def _answer_one(self, job: Job) -> Answer | FlowerError:
        try:
            return self._classifier.predict(job.photo, self._top)
        except FlowerError as error:
            return error
        except Exception as error:  # one photo must not end the service
            if says_too_little_memory(error):
                return OutOfMemoryError("not enough memory for the photo; try again later")
            return FlowerError(f"the photo could not be answered ({type(error).__name__}: {error})")

    def next_waiting(self) -> Job | None:
        """Return a photo that waits now, or None. It is called from the threads that decode, one at a time."""
        if self._ending:
            return None
        try:
            job = self._waiting.get_nowait()
        except Empty:
            return None
        self._ending = job is None
        return job


class _Run:
    """The photos that one call of `predict_many` takes."""

    def __init__(self, first: Job, thread: AnsweringThread) -> None:
        self._first: Job | None = first
        self._thread = thread
        self._lock = threading.Lock()
        self._stopped = False
        self.taken: deque[Job] = deque()
        """Photos without an answer, in the order in which they were taken."""

    def photos(self) -> Iterator[bytes]:
        """Yield the photos. A photo whose answer nobody needs is left out."""
        while (job := self._take()) is not None:
            yield job.photo

    def stop(self) -> None:
        """Take no more photos. ``taken`` then has all those without an answer."""
        with self._lock:  # a thread that decodes may be taking one
            self._stopped = True
            first, self._first = self._first, None
            if first is not None and first.answer.set_running_or_notify_cancel():
                self.taken.append(first)  # the run failed before it took any

    def _take(self) -> Job | None:
        with self._lock:
            while not self._stopped:
                job, self._first = self._first or self._thread.next_waiting(), None
                if job is None:
                    return None
                if job.answer.set_running_or_notify_cancel():
                    self.taken.append(job)
                    return job
            return None


def _finish(job: Job, result: Answer | FlowerError) -> None:
    if isinstance(result, FlowerError):
        job.answer.set_exception(result)
    else:
        job.answer.set_result(result)
