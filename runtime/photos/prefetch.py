"""Photos decoded by threads ahead of the network, beside it or in turns; in order, and never many at once."""

import threading
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from runtime.errors import FlowerError

Source = TypeVar("Source")
Decoded = TypeVar("Decoded")

PATIENCE = 0.01
"""Seconds after which a source that has given nothing is taken for one that waits."""


class PrefetchDecoder(Generic[Source, Decoded]):
    """Applies ``decode`` to ``sources`` in threads of its own, at most ``depth`` of them ahead of who takes them.

    ``sources`` is asked for its next item in those threads too, by one at a time: where it must wait for something (a
    camera, a pipe), what was decoded before can be taken meanwhile.

    Args:
        sources: any number, endless as well.
        decode: must be safe from many threads. A `FlowerError` that it raises takes the place of its result.
        threads: that decode.
        depth: results that may wait; what bounds the memory.
        in_turns: decode only while results are waited for, ``depth`` of them in one go. Where what is done with them
            needs the same cores, that is faster than both at once: work that is shared out over all cores waits for
            the one that is busy elsewhere.
    """

    def __init__(
        self,
        sources: Iterable[Source],
        decode: Callable[[Source], Decoded],
        *,
        threads: int,
        depth: int,
        in_turns: bool = False,
    ) -> None:
        self._sources, self._decode, self._depth = iter(sources), decode, depth
        self._in_turns = in_turns
        self._may_begin, self._wanted = True, 1
        self._asking = threading.Lock()  # held while `sources` is asked and the answer numbered
        self._changed = threading.Condition()
        self._results: dict[int, tuple[Source, Decoded | BaseException]] = {}
        self._begun = self._taken = self._decoding = 0
        self._ended = False
        self._failure: BaseException | None = None
        # Daemons: one that waits for a source for ever must not keep the process.
        self._threads = [threading.Thread(target=self._work, daemon=True, name="decode") for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def take(self, limit: int) -> list[tuple[Source, Decoded | FlowerError]]:
        """Wait for the next result, or in turns for all that there is to wait for; return it with those after it.

        Returns:
            At most ``limit``; none at the end.

        Raises:
            Whatever ``sources`` or, other than a `FlowerError`, ``decode`` raised, once all before it are taken.
        """
        with self._changed:
            self._wanted = limit if self._in_turns else 1
            if self._in_turns and self._begun - self._taken < min(limit, self._depth):
                self._may_begin = True
                self._changed.notify_all()
            while not self._has_enough():
                changed = self._changed.wait(PATIENCE if self._taken in self._results else None)
                if not changed and not self._decoding:
                    break  # the source waits for something; what there is need not
            found: list[tuple[Source, Decoded | FlowerError]] = []
            while len(found) < limit and self._taken in self._results:
                source, result = self._results[self._taken]
                if isinstance(result, BaseException) and not isinstance(result, FlowerError):
                    if found:
                        break
                    raise result
                found.append((source, result))
                del self._results[self._taken]
                self._taken += 1
            self._changed.notify_all()
            if not found and self._failure is not None:
                raise self._failure
            return found

    def _has_enough(self) -> bool:
        if self._ended and not self._decoding:
            return True
        if self._in_turns and self._may_begin:
            return False
        wanted = max(1, min(self._wanted, self._begun - self._taken))
        return all(number in self._results for number in range(self._taken, self._taken + wanted))

    def close(self) -> None:
        """Let the threads end; those that decode finish that photo first."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _work(self) -> None:
        while (work := self._next()) is not None:
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

    def _next(self) -> tuple[int, Source] | None:
        with self._asking:
            with self._changed:
                self._changed.wait_for(
                    lambda: self._ended or (self._may_begin and self._begun - self._taken < self._depth)
                )
                if self._ended:
                    return None
            try:
                source = next(self._sources)
            except BaseException as error:
                with self._changed:
                    self._ended = True
                    self._failure = None if isinstance(error, StopIteration) else error
                    self._changed.notify_all()
                return None
            with self._changed:
                self._begun += 1
                self._decoding += 1
                if self._in_turns and self._begun - self._taken >= self._depth:
                    self._may_begin = False
                return self._begun - 1, source
