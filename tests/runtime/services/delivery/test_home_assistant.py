"""The messages by which Home Assistant finds a device, checked against its documentation."""

import json
import re
from typing import Any

import pytest

from runtime import FlowerError
from runtime.services.delivery.home_assistant import Topics, device_id, discovery_messages, event_payload, state
from tests.runtime.services.delivery.events import an_answer

# The keys of the documentation, the required ones with an exclamation mark. The keys of its section "configuration",
# without `platform`, which is for messages about a whole device, and without those that it calls deprecated.
COMMON = """
    availability availability_mode availability_template availability_topic device enabled_by_default encoding
    entity_category entity_picture icon json_attributes_template json_attributes_topic name object_id unique_id
    origin payload_available payload_not_available
"""
"""On each of the following pages, except `origin`: https://www.home-assistant.io/integrations/mqtt/#adding-information-
about-the-origin-of-a-discovery-message. The page on image has the payloads inside `availability` only."""
DOCUMENTED = {
    # https://www.home-assistant.io/integrations/sensor.mqtt/
    "sensor": COMMON + """
        device_class expire_after force_update last_reset_value_template options suggested_display_precision qos
        state_class state_topic! unit_of_measurement value_template
    """,
    # https://www.home-assistant.io/integrations/image.mqtt/ (required: image_topic or url_topic, not both)
    "image": COMMON.replace("payload_available payload_not_available", "") + """
        content_type image_encoding image_topic! url_template
    """,
    # https://www.home-assistant.io/integrations/event.mqtt/
    "event": COMMON + "device_class event_types! qos state_topic! value_template",
}  # fmt: skip
NESTED = {
    # https://www.home-assistant.io/integrations/sensor.mqtt/#availability
    "availability": "topic! payload_available payload_not_available value_template",
    # https://www.home-assistant.io/integrations/sensor.mqtt/#device (at least one of identifiers and connections)
    "device": """
        identifiers! connections configuration_url hw_version manufacturer model model_id name serial_number
        suggested_area sw_version via_device
    """,
    # https://www.home-assistant.io/integrations/mqtt/#discovery-messages
    "origin": "name! sw_version support_url",
}
TYPES: dict[str, type | tuple[type, ...]] = {
    "availability": list, "device": dict, "origin": dict, "identifiers": (list, str), "connections": list,
    "options": list, "event_types": list, "qos": int, "suggested_display_precision": int, "expire_after": int,
    "force_update": bool, "enabled_by_default": bool,
}  # fmt: skip
"""Keys whose value is no text."""
STATE_CLASSES = {"measurement", "measurement_angle", "total", "total_increasing"}
"""https://developers.home-assistant.io/docs/core/entity/sensor#available-state-classes"""


def check_keys(message: dict[str, Any], documented: str, where: str) -> None:
    keys = {key.rstrip("!") for key in documented.split()}
    required = {key.rstrip("!") for key in documented.split() if key.endswith("!")}
    assert message.keys() <= keys, where
    assert required <= message.keys(), where
    for key, value in message.items():
        assert isinstance(value, TYPES.get(key, str)), f"{where}: {key}"


def check_message(topic: str, message: dict[str, Any]) -> None:
    # https://www.home-assistant.io/integrations/mqtt/#discovery-topic
    match = re.fullmatch(r"homeassistant/(\w+)/([a-zA-Z0-9_-]+)/config", topic)
    assert match is not None
    component = match[1]
    check_keys(message, DOCUMENTED[component], topic)
    check_keys(message["device"], NESTED["device"], f"{topic} device")
    check_keys(message["origin"], NESTED["origin"], f"{topic} origin")
    for each in message["availability"]:
        check_keys(each, NESTED["availability"], f"{topic} availability")
    # "Must not be used together with `availability_topic`."
    assert "availability_topic" not in message
    # A device "only works when unique_id is set"; "best practice … is to set <object_id> to unique_id".
    assert message["unique_id"] == match[2]
    if component == "sensor":
        # "The sensor's device_class must be set to enum. The options option cannot be used together with state_class or
        # unit_of_measurement." "An empty list is not allowed."
        assert ("options" in message) == (message.get("device_class") == "enum")
        if "options" in message:
            assert message["options"]
            assert not {"state_class", "unit_of_measurement"} & message.keys()
        assert message.get("state_class", "measurement") in STATE_CLASSES
    for topic_key in ("state_topic", "image_topic", "json_attributes_topic"):
        assert not set(message.get(topic_key, "")) & set("#+")  # no wildcard


def test_messages_have_the_documented_keys_only() -> None:
    messages = {
        topic: json.loads(payload)
        for topic, payload in discovery_messages("garden", Topics("flower-edge/garden")).items()
    }
    for topic, message in messages.items():
        check_message(topic, message)
    assert [topic.split("/")[1] for topic in messages] == ["sensor", "sensor", "sensor", "image", "event"]
    assert len({message["unique_id"] for message in messages.values()}) == 5
    assert len({json.dumps(message["device"]) for message in messages.values()}) == 1  # one device


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("stat_t", "a"),
        ("unit_of_measurement", "%"),
        ("qos", "1"),
        ("device", {"name": "x"}),
        ("availability_topic", "a"),
    ],
)
def test_the_check_finds_mistakes(key: str, value: object) -> None:
    messages = discovery_messages("garden", Topics("a"))
    (topic,) = (topic for topic in messages if topic.endswith("_verdict/config"))
    check_message(topic, json.loads(messages[topic]))
    with pytest.raises(AssertionError):
        check_message(topic, json.loads(messages[topic]) | {key: value})


@pytest.mark.parametrize("verdict", ["name", "between", "unfamiliar"])
def test_templates_give_the_state_of_the_entities(verdict: str) -> None:
    """Jinja renders the templates, as Home Assistant does."""
    jinja2 = pytest.importorskip("jinja2")
    messages = discovery_messages("garden", Topics("a"))
    answer = an_answer(verdict=verdict, probability=0.98765)
    answer["predictions"][0] |= {"name": "Sonnenblume", "latin": "Helianthus annuus"}
    published = json.loads(json.dumps(state(answer)))
    shown = {
        topic.split("/")[2].rpartition("_")[2]: jinja2.Template(json.loads(payload)["value_template"]).render(
            value_json=published
        )
        for topic, payload in messages.items()
        if "value_template" in payload
    }
    assert shown == {
        "species": "Sonnenblume" if verdict == "name" else "unknown",
        "probability": "98.8",
        "verdict": verdict,
    }
    assert published["latin"] == "Helianthus annuus"
    event = json.loads(event_payload(answer))
    (config,) = (json.loads(payload) for topic, payload in messages.items() if "/event/" in topic)
    assert event["event_type"] in config["event_types"]


def test_species_is_the_label_without_a_language() -> None:
    answer = an_answer()
    answer["predictions"][0]["latin"] = None
    assert state(answer)["species"] == "sunflower"
    assert "latin" not in state(answer)


def test_device_id(monkeypatch: pytest.MonkeyPatch) -> None:
    assert device_id("Garden Pi/2 #+", "watch") == "garden-pi-2"
    assert len(device_id("a" * 1000, "watch")) == 64
    monkeypatch.setattr("socket.gethostname", lambda: "Pi.home.example")
    assert device_id(None, "camera") == "pi-camera"
    monkeypatch.setattr("socket.gethostname", lambda: "\u00e4\u00f6")
    assert device_id(None, "watch") == "watch"
    with pytest.raises(FlowerError):
        device_id("##", "watch")
