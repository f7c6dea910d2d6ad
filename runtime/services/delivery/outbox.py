"""The outbox: events wait until each receiver has taken them, also over a restart.

Every receiver has a thread and a queue of its own, so that one that fails does not delay the others. An event is
delivered at least once and in order: after a crash between the delivery and its record, it is delivered again.
"""

import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Condition, Thread

from runtime.errors import FlowerError
from runtime.services.delivery.event import AnswerEvent, DeliveryError, Receiver
from runtime.services.delivery.outbox_file import event_bytes
from runtime.services.delivery.outbox_store import FAILURES, OutboxStore

FIRST_RETRY_S, LONGEST_RETRY_S = 2.0, 120.0
"""Seconds until an event is tried again. Each pause is twice as long as the one before, up to the second value."""
MAX_EVENTS, MAX_BYTES = 1_000, 64_000_000
"""Most events, and most bytes of events, that wait for one receiver. Beyond them the oldest is dropped."""
MAX_PROBLEMS = 20
"""Most different problems of a receiver that are said until it takes an event."""
CLOSE_S = 10.0
"""Seconds that the end of `open_outbox` waits for deliveries that are under way."""


@dataclass(frozen=True, eq=False)
class _Entry:
    """An event in the queue of a receiver."""

    sequence: int
    size: int
    """Bytes of the event."""


@dataclass
class _Queue:
    """What waits for a receiver, the oldest first."""

    receiver: Receiver
    entries: deque[_Entry] = field(default_factory=deque)
    size: int = 0
    """Bytes of the entries."""
    problems: set[str] = field(default_factory=set)
    """What was said to the user since the receiver last took an event."""
    dropped: int = 0
    """Events that were dropped since then."""

    def append(self, entry: _Entry) -> None:
        self.entries.append(entry)
        self.size += entry.size

    def remove(self, entry: _Entry) -> None:
        self.entries.remove(entry)
        self.size -= entry.size


class Outbox:
    """Keeps events and hands them to receivers.

    Args:
        path: of the file that keeps the events.
        receivers: each gets every event. Their names differ.
        say: shows a line to the user; is called from several threads.
        first_retry_s: seconds until a failed delivery is tried again.
        longest_retry_s: the longest such pause.
        max_events: most events that wait for one receiver.
        max_bytes: most bytes of events that wait for one receiver.

    Raises:
        FlowerError: see `runtime.services.delivery.outbox_file.OutboxFile`.
    """

    def __init__(
        self,
        path: Path,
        receivers: Sequence[Receiver],
        say: Callable[[str], None],
        *,
        first_retry_s: float = FIRST_RETRY_S,
        longest_retry_s: float = LONGEST_RETRY_S,
        max_events: int = MAX_EVENTS,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self._say = say
        self._retry_s = first_retry_s, longest_retry_s
        self._max_events, self._max_bytes = max_events, max_bytes
        self._queues = {receiver.name: _Queue(receiver) for receiver in receivers}
        if len(self._queues) < len(receivers):
            raise FlowerError("two receivers of answers have the same name; give each address once")
        self._next = 1
        """The sequence number of the next event."""
        self._closing = self._closed = False
        self._changed = Condition()
        """Guards everything here."""
        self._store = OutboxStore(path, say)
        try:
            self._fill_queues()
        except BaseException:
            self._store.close()
            raise
        self._threads = [
            Thread(target=self._work, args=(queue,), name=f"delivery-{name}", daemon=True)
            for name, queue in self._queues.items()
        ]
        for thread in self._threads:
            thread.start()

    def _fill_queues(self) -> None:
        """Continue with what the file has. What waits for a receiver that is not there any more is removed."""
        gone: Counter[str] = Counter()
        for sequence, name, size in self._store.waiting():
            self._next = sequence + 1
            if name in self._queues:
                self._queues[name].append(_Entry(sequence, size))
            else:
                gone[name] += 1
                self._store.remove(sequence, name)
        for name, count in gone.items():
            self._say(f"{name}: is no receiver any more; {_answers(count)} waiting for it and removed")
        if gone:
            self._store.save(durable=False)

    def put(self, event: AnswerEvent) -> None:
        """Queue an event for every receiver. When this returns, the event survives a crash and a power cut.

        If the file cannot be written, the event is kept in memory, which is said. Threads may call this.

        Raises:
            FlowerError: the outbox is closed.
        """
        size = event_bytes(event)
        with self._changed:
            if self._closing:
                raise FlowerError("the outbox is closed")
            if not self._queues:
                return
            if size > self._max_bytes:
                self._say(f"an answer of {size:,} bytes is too large to be delivered; it is dropped")
                return
            entry = _Entry(self._next, size)
            self._next += 1
            self._store.add(entry.sequence, event, self._queues)
            for queue in self._queues.values():
                queue.append(entry)
                while len(queue.entries) > self._max_events or queue.size > self._max_bytes:
                    megabytes = self._max_bytes // 1_000_000
                    limit = f"more than {self._max_events:,} answers or {megabytes:,} MB wait"
                    self._drop(queue, queue.entries[0], f"{limit}; the oldest ones are dropped")
            if not self._store.save(durable=True):
                for sequence in self._store.excess():
                    for queue in self._queues.values():
                        for old in [each for each in queue.entries if each.sequence == sequence]:
                            self._drop(queue, old, "too many answers wait in memory; the oldest ones are dropped")
            self._changed.notify_all()

    def flush(self, timeout: float) -> bool:
        """Wait until nothing waits, at most ``timeout`` seconds. Returns whether nothing waits."""
        with self._changed:
            return self._changed.wait_for(self._is_empty, timeout)

    def close(self, timeout: float = CLOSE_S) -> None:
        """End the threads and close the file. What waits is delivered after the next start.

        Args:
            timeout: seconds to wait for deliveries that are under way. One that lasts longer is left to its thread,
                and the event is delivered again after the next start.
        """
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        end = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
        with self._changed:
            if not self._closed:
                self._closed = True
                self._store.close()

    def _work(self, queue: _Queue) -> None:
        """Deliver the events of a queue, one after the other, until the outbox is closed."""
        self._attempt(queue, queue.receiver.start)
        pause = self._retry_s[0]
        while (found := self._next_event(queue)) is not None:
            entry, event = found
            error = self._attempt(queue, partial(queue.receiver.deliver, event))
            if error is None or not error.passing:
                pause = self._retry_s[0]
                self._done(queue, entry, error)
            else:
                self._pause(max(pause, error.retry_after_s))
                pause *= 2
        with suppress(Exception):  # whatever it is, the events are safe
            queue.receiver.close()

    def _next_event(self, queue: _Queue) -> tuple[_Entry, AnswerEvent] | None:
        """Wait for an event and return it; None if the outbox is closed."""
        with self._changed:
            while True:
                self._changed.wait_for(lambda: self._closing or queue.entries)
                if self._closing:
                    return None
                entry = queue.entries[0]
                try:
                    event = self._store.load(entry.sequence)
                except FAILURES:  # a disk that fails now
                    self._pause(self._retry_s[0])
                    continue
                if event is not None:
                    return entry, event
                self._forget(queue, entry)
                self._changed.notify_all()

    def _attempt(self, queue: _Queue, action: Callable[[], None]) -> DeliveryError | None:
        """Call a receiver and return why it failed. Each reason is said once until the receiver takes an event."""
        try:
            action()
        except DeliveryError as error:
            failure = error
        # A receiver is at the end of a thread of its own, where nobody else would notice an error.
        except Exception as error:
            failure = DeliveryError(f"{type(error).__name__}: {error}", passing=True)
        else:
            return None
        with self._changed:
            self._say_once(queue, f"{failure}; {'it is tried again' if failure.passing else 'the answer is dropped'}")
        return failure

    def _done(self, queue: _Queue, entry: _Entry, error: DeliveryError | None) -> None:
        """Record that an event was taken, or dropped because of ``error``."""
        with self._changed:
            if self._closed:
                return
            if entry in queue.entries:  # not if it was dropped meanwhile
                self._forget(queue, entry)
            self._store.save(durable=False)
            if error is not None:
                queue.dropped += 1
            elif queue.problems:
                dropped = f"; {_answers(queue.dropped)} dropped before" if queue.dropped else ""
                self._say(f"{queue.receiver.name}: takes answers again{dropped}")
                queue.problems.clear()
                queue.dropped = 0
            if self._is_empty():
                self._store.give_back_space()
            self._changed.notify_all()

    def _pause(self, seconds: float) -> None:
        """Wait, at most the longest pause, or until the outbox is closed. Then try to save what is in memory only."""
        with self._changed:
            self._changed.wait_for(lambda: self._closing, min(seconds, self._retry_s[1]))
            if self._store.unsaved and not self._closed:
                self._store.save(durable=True)

    def _drop(self, queue: _Queue, entry: _Entry, reason: str) -> None:
        self._say_once(queue, reason)
        queue.dropped += 1
        self._forget(queue, entry)

    def _forget(self, queue: _Queue, entry: _Entry) -> None:
        queue.remove(entry)
        self._store.remove(entry.sequence, queue.receiver.name)

    def _say_once(self, queue: _Queue, problem: str) -> None:
        if problem not in queue.problems and len(queue.problems) < MAX_PROBLEMS:
            queue.problems.add(problem)
            self._say(f"{queue.receiver.name}: {problem}")

    def _is_empty(self) -> bool:
        return not any(queue.entries for queue in self._queues.values())


@contextmanager
def open_outbox(path: Path, receivers: Sequence[Receiver], say: Callable[[str], None]) -> Iterator[Outbox]:
    """Open an outbox, and close it at the end of the context; the arguments are those of `Outbox`."""
    outbox = Outbox(path, receivers, say)
    try:
        yield outbox
    finally:
        outbox.close()


def _answers(count: int) -> str:
    return "1 answer was" if count == 1 else f"{count:,} answers were"
