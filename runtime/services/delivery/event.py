"""One answer on its way to the receivers."""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol

from runtime.errors import FlowerError


@dataclass(frozen=True)
class AnswerEvent:
    """An answer that a service delivers."""

    answer: Mapping[str, Any]
    """JSON values: those of ``flower-infer --json``, and ``id`` (unique text), ``time`` (when it was answered, ISO 8601
    with the zone) and ``source`` (``watch``, ``camera`` or ``serve``)."""
    picture: bytes | None = None
    """A JPEG to look at, at most `PICTURE_SIDE` pixels; None if there is none."""

    @property
    def id(self) -> str:
        """The same for each attempt to deliver this event."""
        return str(self.answer["id"])

    @property
    def label(self) -> str | None:
        """The English name of the species, which is the same in every language; None unless the verdict is a name."""
        return str(self.answer["predictions"][0]["label"]) if self.answer["verdict"] == "name" else None

    def to_json(self) -> str:
        """Return the answer as one line of JSON."""
        return json.dumps(self.answer)


PICTURE_SIDE = 640
"""Longest side of the picture of an event, pixels."""

NAMESPACE = uuid.UUID("0b0cf5a2-7f0e-4d5e-9a53-5a3a7d0a5d1e")
"""Of the identifiers that are made from text (RFC 9562, section 5.5)."""
Source = Literal["watch", "camera", "serve"]


def new_event(
    answer: Mapping[str, Any], source: Source, picture: bytes | None = None, identity: str | None = None
) -> AnswerEvent:
    """Return the event of an answer that was just made.

    Args:
        answer: JSON values, as `runtime.answers.answer.answer_to_dict` gives them.
        source: the service.
        picture: see `AnswerEvent.picture`.
        identity: text from which ``id`` is made; None for a random one.
    """
    now = datetime.now().astimezone().isoformat(timespec="seconds")
    identifier = uuid.uuid4() if identity is None else uuid.uuid5(NAMESPACE, identity)
    return AnswerEvent({"id": identifier.hex, "time": now, "source": source, **answer}, picture)


class DeliveryError(FlowerError):
    """A receiver did not take an event."""

    def __init__(self, message: str, *, passing: bool, retry_after_s: float = 0) -> None:
        super().__init__(message)
        self.passing = passing
        """Whether the same event may be taken later. If not, it is dropped."""
        self.retry_after_s = retry_after_s
        """Seconds that the receiver asks to wait before the next attempt. The outbox waits at most two minutes."""


class Receiver(Protocol):
    """Takes events, one after the other, from one thread."""

    name: str
    """For messages and for the outbox, for example ``mqtt://garden.local:1883``. It has no password."""

    def start(self) -> None:
        """Open what stays open between events. Called once, before the first event, from the same thread.

        Raises:
            DeliveryError: that failed now. The user is told; `deliver` is called nevertheless and tries again.
        """

    def deliver(self, event: AnswerEvent) -> None:
        """Hand over an event, and return when it has been taken.

        Raises:
            DeliveryError: it was not taken.
        """

    def close(self) -> None:
        """End connections. Called from the same thread after an orderly end, not after a failure."""
