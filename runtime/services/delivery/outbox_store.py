"""What waits in the outbox: in its file, and in memory while the file cannot be written."""

import sqlite3
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from runtime.errors import FlowerError
from runtime.services.delivery.event import AnswerEvent
from runtime.services.delivery.outbox_file import OutboxFile, Waiting, event_bytes, is_damage

MEMORY_EVENTS, MEMORY_BYTES = 100, 16_000_000
"""Most events, and most bytes of events, that are kept in memory while the file cannot be written."""


FAILURES = (sqlite3.Error, OSError, FlowerError)
"""What the file raises when it cannot be read or written now."""


class OutboxStore:
    """Keeps events until they are removed. Callers must not use it from two threads at the same time.

    Args:
        path: of the file.
        say: shows a line to the user.

    Raises:
        FlowerError: see `runtime.services.delivery.outbox_file.OutboxFile`.
    """

    def __init__(self, path: Path, say: Callable[[str], None]) -> None:
        self._say = say
        self._file = OutboxFile(path, say)
        self._problem = ""
        """What was said last about the file; empty if it can be written."""
        self._unsaved: dict[int, tuple[AnswerEvent, set[str]]] = {}
        """What the file does not have yet: sequence number → the event and the receivers it waits for."""
        self._removals: set[Waiting] = set()
        """What the file still has although it does not wait any more."""

    def waiting(self) -> list[tuple[int, str, int]]:
        """Return what waits in the file, the oldest first: sequence number, name of the receiver, bytes."""
        return self._file.waiting()

    def add(self, sequence: int, event: AnswerEvent, receivers: Collection[str]) -> None:
        """Keep an event, in memory until `save` writes it."""
        self._unsaved[sequence] = event, set(receivers)

    def remove(self, sequence: int, receiver: str) -> None:
        """Forget that an event waits for a receiver. The file is changed by the next `save`."""
        if sequence in self._unsaved:
            receivers = self._unsaved[sequence][1]
            receivers.discard(receiver)
            if not receivers:
                del self._unsaved[sequence]
        else:
            self._removals.add((sequence, receiver))

    @property
    def unsaved(self) -> int:
        """How many events are in memory only."""
        return len(self._unsaved)

    def excess(self) -> Iterator[int]:
        """Yield the sequence numbers of events in memory, the oldest first, as long as there are too many.

        The caller removes each before it asks for the next one.
        """
        while len(self._unsaved) > MEMORY_EVENTS or (
            sum(event_bytes(event) for event, _ in self._unsaved.values()) > MEMORY_BYTES
        ):
            yield next(iter(self._unsaved))

    def load(self, sequence: int) -> AnswerEvent | None:
        """Return an event; None if it is lost, which was said.

        Raises:
            Exception: one of `FAILURES`: the file cannot be read now, which was said.
        """
        if sequence in self._unsaved:
            return self._unsaved[sequence][0]
        try:
            return self._file.load(sequence)
        except FAILURES as error:
            if is_damage(error) and self._replace_file():
                return None
            self._say_problem(error)
            raise
        except ValueError:
            self._say(f"{self._file.path}: an answer in it is damaged and is dropped")
            return None

    def save(self, *, durable: bool) -> bool:
        """Write what is new to the file, and return whether that succeeded. If not, it is said once.

        Args:
            durable: return when everything is on the disk. New events always are.
        """
        for _ in range(2):
            try:
                self._file.write(self._unsaved, self._removals, durable=durable or bool(self._unsaved))
            except FAILURES as error:
                if is_damage(error) and self._replace_file():
                    continue
                self._say_problem(error)
                return False
            self._unsaved.clear()
            self._removals.clear()
            self._problem = ""
            return True
        return False

    def give_back_space(self) -> None:
        """Shrink the file. Called when nothing waits."""
        try:
            if self._removals:  # a full disk takes no removals; a new file has nothing to remove
                self._file.start_again()
                self._removals.clear()
                self._problem = ""
            else:
                self._file.give_back_space()
        except FAILURES as error:
            self._say_problem(error)

    def close(self) -> None:
        """Write what the file does not have yet, and close it."""
        if (self._unsaved or self._removals) and not self.save(durable=True) and self._unsaved:
            count = "1 answer is" if self.unsaved == 1 else f"{self.unsaved:,} answers are"
            self._say(f"{self._file.path}: {count} lost, because the file cannot be written")
        self._file.close()

    def _replace_file(self) -> bool:
        """Begin a new file in the place of a damaged one. The events in it are lost. Returns whether that succeeded."""
        try:
            self._file.move_aside()
        except FAILURES as error:
            self._say_problem(error)
            return False
        self._removals.clear()
        return True

    def _say_problem(self, error: Exception) -> None:
        message = f"{self._file.path}: cannot be used now ({error}); new answers wait in memory, which a restart loses"
        if message != self._problem:
            self._problem = message
            self._say(message)
