"""The topics of a device, and the messages by which Home Assistant finds it (MQTT discovery).

The keys are those of https://www.home-assistant.io/integrations/mqtt/ and of its pages on sensor, image and event. Each
entity has a message of its own, which every version since 2023.8 understands. Abbreviations are not used.
"""

import json
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

from runtime.answers.answer import Verdict
from runtime.distribution import __version__
from runtime.errors import FlowerError
from runtime.services.delivery.event import Source

DISCOVERY_PREFIX = "homeassistant"
"""The topic under which Home Assistant looks for devices, unless its user has changed it."""
BIRTH_TOPIC, BIRTH_PAYLOAD = f"{DISCOVERY_PREFIX}/status", b"online"
"""What Home Assistant sends when it has started."""
ONLINE, OFFLINE = "online", "offline"
"""Payloads of the availability topic."""
LONGEST_STATE = 255
"""Most characters of a sensor's state in Home Assistant."""
LONGEST_ID = 64
"""Most characters of a device id."""


@dataclass(frozen=True)
class Topics:
    """The topics of a device."""

    base: str

    @property
    def state(self) -> str:
        """The last answer as JSON, retained."""
        return f"{self.base}/state"

    @property
    def event(self) -> str:
        """Each answer as JSON, not retained."""
        return f"{self.base}/event"

    @property
    def picture(self) -> str:
        """The JPEG of the last answer, retained; empty if it has none."""
        return f"{self.base}/picture"

    @property
    def availability(self) -> str:
        """``online`` or ``offline``, retained."""
        return f"{self.base}/availability"


def device_id(name: str | None, source: Source) -> str:
    """Return an identifier of this device for topics and for Home Assistant.

    Args:
        name: from the user; None for the name of the host and the service, as two services of a host are two devices.
        source: the service.

    Returns:
        ``name`` with the characters a to z, 0 to 9, ``_`` and ``-``; others become ``-``.

    Raises:
        FlowerError: nothing is left of ``name``.
    """
    given = f"{socket.gethostname().partition('.')[0]}-{source}" if name is None else name
    cleaned = re.sub("[^a-z0-9_-]+", "-", given.lower()).strip("-")[:LONGEST_ID]
    if not cleaned:
        raise FlowerError(f"{name!r} cannot be the id of a device; use letters, digits, '-' and '_'")
    return cleaned


def state(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the state topic says about an answer, as JSON values.

    Args:
        answer: of an event. If its first prediction has ``name`` (in the user's language) or ``latin``, they are used.
    """
    best = answer["predictions"][0]
    # No name is given for a photo that the model is not sure about.
    species = (best.get("name") or best["label"]) if answer["verdict"] == "name" else None
    return {
        "species": species,
        "label": best["label"],
        **({"latin": best["latin"]} if best.get("latin") else {}),
        "probability": best["probability"],
        "verdict": answer["verdict"],
        "time": answer.get("time"),
        "id": answer.get("id"),
        "photo": answer.get("photo"),
        "source": answer.get("source"),
    }


def event_payload(answer: Mapping[str, Any]) -> str:
    """Return the message of the event topic: the state, with the verdict as ``event_type``."""
    return json.dumps({"event_type": answer["verdict"], **state(answer)})


def discovery_messages(device: str, topics: Topics) -> dict[str, str]:
    """Return the messages by which Home Assistant finds a device: topic → payload. They are sent retained.

    Args:
        device: what `device_id` returned.
        topics: of the device.
    """
    verdicts = list(get_args(Verdict))
    sensor = {"state_topic": topics.state, "qos": 1}
    entities: dict[str, tuple[str, dict[str, Any]]] = {
        "species": ("sensor", {
            **sensor, "name": "Species", "icon": "mdi:flower", "json_attributes_topic": topics.state,
            "value_template": f"{{{{ (value_json.species or 'unknown')[:{LONGEST_STATE}] }}}}",
        }),
        "probability": ("sensor", {
            **sensor, "name": "Probability", "icon": "mdi:percent", "unit_of_measurement": "%",
            "state_class": "measurement", "suggested_display_precision": 0,
            "value_template": "{{ (value_json.probability * 100) | round(1) }}",
        }),
        "verdict": ("sensor", {
            **sensor, "name": "Verdict", "icon": "mdi:check-decagram", "device_class": "enum", "options": verdicts,
            "value_template": "{{ value_json.verdict }}",
        }),
        "picture": ("image", {
            "name": "Picture", "image_topic": topics.picture, "content_type": "image/jpeg",
        }),
        "answer": ("event", {
            "name": "Answer", "icon": "mdi:flower-outline", "state_topic": topics.event, "event_types": verdicts,
            "qos": 1,
        }),
    }  # fmt: skip
    messages = {}
    for key, (component, config) in entities.items():
        unique_id = f"flower-edge_{device}_{key}"
        message = {
            **config,
            "unique_id": unique_id,
            "availability": [
                {"topic": topics.availability, "payload_available": ONLINE, "payload_not_available": OFFLINE}
            ],
            "device": {
                "identifiers": [f"flower-edge_{device}"],
                "name": f"flower-edge {device}",
                "model": "flower-edge",
                "sw_version": __version__,
            },
            "origin": {"name": "flower-edge", "sw_version": __version__},
        }
        messages[f"{DISCOVERY_PREFIX}/{component}/{unique_id}/config"] = json.dumps(message)
    return messages
