"""`PrefetchDecoder`: threads that decode photos before the network needs them."""

import os
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Generic, TypeVar

from runtime.errors import FlowerError, OutOfMemoryError

Source = TypeVar("Source")
Decoded = TypeVar("Decoded")

SOURCE_TIMEOUT_S = 0.01
"""Seconds without a new item after which ``sources`` counts as waiting for input."""
CHECK_THREADS_S = 1.0
"""Seconds after which a wait looks whether a thread has ended early."""
NO_MEMORY_FOR_THREADS = "not enough memory for a thread; close other programs"


class PrefetchDecoder(Generic[Source, Decoded]):
    """Applies ``decode`` to ``sources`` in threads, and returns the results in order.

    The threads also iterate ``sources``, one thread at a time. While the iterator waits for input (from a camera or a
    pipe), `next_batch` returns the results that are finished.

    Args:
        sources: any number of items; may be endless.
        decode: is called from several threads. A `FlowerError` that it raises takes the place of its result.
        threads: number of threads.
        depth: most items that are being decoded or wait for `next_batch`, which limits the memory.
        alternate: decode only while `next_batch` waits, and pause otherwise: first one item, then two, four, and so on
            up to ``depth``. So the first result comes at once. If the caller computes on the same cores, this is faster
            than decoding at the same time: a computation that is split over all cores waits for the core that is busy
            with decoding.

    Raises:
        OutOfMemoryError: the memory does not suffice for a thread.
    """

    def __init__(
        self,
        sources: Iterable[Source],
        decode: Callable[[Source], Decoded],
        *,
        threads: int,
        depth: int,
        alternate: bool = False,
    ) -> None:
        self._sources, self._decode, self._depth = iter(sources), decode, depth
        self._alternate = alternate
        # With ``alternate``: whether threads may take further items, and up to how many that are not taken yet. And how
        # many results `next_batch` waits for.
        self._may_start, self._ahead, self._wanted = True, 1 if alternate else depth, 1
        # Held while the iterator is advanced and the item gets its number.
        self._source_lock = threading.Lock()
        self._changed = threading.Condition()
        self._results: dict[int, tuple[Source, Decoded | BaseException]] = {}
        # Items are numbered in their order. Counts of items: started, taken by `next_batch`, being decoded now.
        self._started = self._taken = self._decoding = 0
        self._exhausted = False
        self._source_error: BaseException | None = None
        self._process = os.getpid()
        # Daemon threads do not keep the process alive if the iterator waits for ever.
        self._threads: list[threading.Thread] = []
        for _ in range(threads):
            thread = threading.Thread(target=self._work, daemon=True, name="decode")
            try:
                thread.start()
            except RuntimeError:  # too little memory for the stack of a thread, or too many threads
                if not self._threads:
                    raise OutOfMemoryError(NO_MEMORY_FOR_THREADS) from None
                break
            self._threads.append(thread)

    def next_batch(self, limit: int) -> list[tuple[Source, Decoded | FlowerError]]:
        """Wait for the next result, and return it with the results that follow it without a gap.

        With ``alternate``, wait for ``limit`` results unless the iterator is waiting for input.

        Returns:
            At most ``limit`` items with their results; an empty list at the end.

        Raises:
            FlowerError: this process was forked from the one whose threads decode.
            OutOfMemoryError: a thread ended because the memory did not suffice for its own bookkeeping.
            BaseException: the exception of ``sources``, or one of ``decode`` that is not a `FlowerError`, after all
                results before it are taken.
        """
        if os.getpid() != self._process:
            raise FlowerError(
                "a forked process cannot go on with photos that its parent began; begin again after the fork"
            )
        with self._changed:
            self._wanted = limit if self._alternate else 1
            if self._alternate and not self._may_start and self._started - self._taken < min(limit, self._ahead):
                self._may_start, self._ahead = True, min(2 * self._ahead, self._depth)
                self._changed.notify_all()
            while not self._has_enough():
                has_result = self._taken in self._results
                if self._changed.wait(SOURCE_TIMEOUT_S if has_result else CHECK_THREADS_S):
                    continue
                if has_result and not self._decoding:
                    break  # the iterator waits for input: return the finished results
                if self._has_lost_a_thread():
                    raise OutOfMemoryError(NO_MEMORY_FOR_THREADS)
            batch: list[tuple[Source, Decoded | FlowerError]] = []
            while len(batch) < limit and self._taken in self._results:
                source, result = self._results[self._taken]
                if isinstance(result, BaseException) and not isinstance(result, FlowerError):
                    if batch:
                        break
                    raise result
                batch.append((source, result))
                del self._results[self._taken]
                self._taken += 1
            self._changed.notify_all()
            if not batch and self._source_error is not None:
                raise self._source_error
            return batch

    def close(self) -> None:
        """End the threads. A thread that is decoding finishes its item first."""
        if os.getpid() != self._process:  # no thread is left, and one may have held the lock
            return
        with self._changed:
            self._exhausted = True
            self._changed.notify_all()

    def _has_enough(self) -> bool:
        if self._exhausted and not self._decoding:
            return True
        if self._alternate and self._may_start:
            return False
        wanted = max(1, min(self._wanted, self._started - self._taken))
        return all(number in self._results for number in range(self._taken, self._taken + wanted))

    def _has_lost_a_thread(self) -> bool:
        """Return whether a thread ended before its work was done. Without any memory it cannot say so itself."""
        if self._has_enough():
            return False
        alive = [thread.is_alive() for thread in self._threads]
        return not any(alive) if self._exhausted else not all(alive)

    def _work(self) -> None:
        with suppress(MemoryError):  # when even an exception cannot be handled; `next_batch` notices it
            self._decode_all()

    def _decode_all(self) -> None:
        while (work := self._next_source()) is not None:
            number, source = work
            result: Decoded | BaseException
            try:
                result = self._decode(source)
            except BaseException as error:
                result = error
            with self._changed:
                self._results[number] = source, result
                self._decoding -= 1
                if number == self._taken or self._has_enough():
                    self._changed.notify_all()

    def _next_source(self) -> tuple[int, Source] | None:
        with self._source_lock:
            with self._changed:
                self._changed.wait_for(
                    lambda: self._exhausted or (self._may_start and self._started - self._taken < self._ahead)
                )
                if self._exhausted:
                    return None
            try:
                source = next(self._sources)
            except BaseException as error:
                with self._changed:
                    self._exhausted = True
                    self._source_error = None if isinstance(error, StopIteration) else error
                    self._changed.notify_all()
                return None
            with self._changed:
                self._started += 1
                self._decoding += 1
                if self._alternate and self._started - self._taken >= self._ahead:
                    self._may_start = False
                return self._started - 1, source
