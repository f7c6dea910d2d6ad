"""Delivery as a whole: from an answer of a service to the receivers that the user has named."""

import os
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runtime.errors import FlowerError
from runtime.photos.open_photo import Photo
from runtime.services.delivery.command import CommandReceiver
from runtime.services.delivery.conditions import Conditions
from runtime.services.delivery.event import Receiver, Source, new_event
from runtime.services.delivery.home_assistant import device_id
from runtime.services.delivery.mqtt import MqttReceiver
from runtime.services.delivery.outbox import Outbox, open_outbox
from runtime.services.delivery.picture import small_picture
from runtime.services.delivery.webhook import WebhookReceiver

FLUSH_S = 2.0
"""Seconds that the end of a service waits until what it has answered is delivered. The rest follows after its next
start."""


@dataclass(frozen=True)
class DeliverySettings:
    """Where answers are delivered, and which ones."""

    mqtt: str | None = None
    """The address of an MQTT broker, see `runtime.services.delivery.mqtt_address.parse_mqtt_address`."""
    webhook: str | None = None
    """A web address, see `runtime.services.delivery.webhook.WebhookReceiver`."""
    command: str | None = None
    """A command, see `runtime.services.delivery.command.CommandReceiver`."""
    everything: bool = False
    """This and the next three: see `runtime.services.delivery.conditions.Conditions`."""
    min_probability: float | None = None
    only: Collection[str] | None = None
    cooldown_s: float = 0
    outbox: Path | None = None
    """The file that keeps what waits; None for `default_outbox` of the source."""
    device_id: str | None = None
    """See `runtime.services.delivery.home_assistant.device_id`."""
    discovery: bool = True
    """Send Home Assistant the messages by which it finds the device."""

    @property
    def active(self) -> bool:
        """Whether there is any receiver."""
        return any(each is not None for each in (self.mqtt, self.webhook, self.command))


class Delivery:
    """Takes the answers of a service. Threads may share it. `open_delivery` makes it.

    Args:
        conditions: which answers are delivered.
        outbox: where they wait; None if there is no receiver.
        source: the service.
        with_picture: whether a receiver takes pictures.
    """

    def __init__(self, conditions: Conditions, outbox: Outbox | None, source: Source, *, with_picture: bool) -> None:
        self._conditions = conditions
        self._outbox = outbox
        self._source = source
        self._with_picture = with_picture

    def offer(self, answer: Mapping[str, Any], photo: Photo | None, identity: str | None = None) -> None:
        """Deliver an answer if the conditions hold. Returns when it waits safely on the disk.

        Args:
            answer: JSON values, as `runtime.answers.answer.answer_to_dict` gives them.
            photo: from which the picture is made. None, and a photo that cannot be decoded any more, give no picture.
            identity: text that is the same if the same answer is offered again; None for an answer of its own.
        """
        if self._outbox is None or not self._conditions.accept(answer):
            return
        picture = small_picture(photo) if self._with_picture and photo is not None else None
        self._outbox.put(new_event(answer, self._source, picture, identity))


@contextmanager
def open_delivery(settings: DeliverySettings, *, source: Source, say: Callable[[str], None]) -> Iterator[Delivery]:
    """Open the receivers and the outbox, and close them at the end of the context.

    What was answered is delivered after the next start if it cannot be delivered within `FLUSH_S`.

    Args:
        settings: from the user. Without a receiver, nothing is opened and nothing is delivered.
        source: the service.
        say: shows a line to the user; is called from several threads.

    Raises:
        FlowerError: a setting is not valid, a package is missing, or the outbox cannot be opened.
    """
    conditions = Conditions(
        everything=settings.everything,
        min_probability=settings.min_probability,
        only=settings.only,
        cooldown_s=settings.cooldown_s,
    )
    receivers: list[Receiver] = []
    if settings.mqtt is not None:
        receivers.append(
            MqttReceiver(settings.mqtt, device_id(settings.device_id, source), discovery=settings.discovery)
        )
    if settings.webhook is not None:
        receivers.append(WebhookReceiver(settings.webhook))
    if settings.command is not None:
        receivers.append(CommandReceiver(settings.command))
    if not receivers:
        yield Delivery(conditions, None, source, with_picture=False)
        return
    path = default_outbox(source) if settings.outbox is None else settings.outbox
    with open_outbox(path, receivers, say) as outbox:
        try:
            yield Delivery(conditions, outbox, source, with_picture=settings.mqtt is not None)
        finally:
            if not outbox.flush(FLUSH_S):
                say(f"{path}: some answers are not delivered yet; they are delivered after the next start")


def default_outbox(command: str) -> Path:
    """Return where a command keeps what waits for delivery. Nothing is made there yet.

    Args:
        command: a short name; each service that runs at the same time needs its own.

    Returns:
        ``outbox-COMMAND.sqlite`` in the state folder that systemd gives the service (``StateDirectory=``), otherwise in
        ``flower-edge`` in ``$XDG_STATE_HOME``, which is ``~/.local/state`` if it is not set.
    """
    if given := os.environ.get("STATE_DIRECTORY", "").partition(":")[0]:
        folder = Path(given)
    else:
        state = os.environ.get("XDG_STATE_HOME", "")
        # The specification says: a relative path is not valid and counts as not set.
        folder = (Path(state) if Path(state).is_absolute() else _home() / ".local" / "state") / "flower-edge"
    return folder / f"outbox-{command}.sqlite"


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError:
        raise FlowerError(
            "this user has no home folder for what waits for delivery; name a file with --outbox"
        ) from None
