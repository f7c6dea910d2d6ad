"""MQTT, with Debian's broker."""

import json
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("paho.mqtt.enums", reason="no paho-mqtt 2; run: pip install '.[mqtt]'")

from runtime import FlowerError
from runtime.services.delivery.event import DeliveryError
from runtime.services.delivery.home_assistant import Topics, discovery_messages
from runtime.services.delivery.mqtt import MqttReceiver
from runtime.services.delivery.outbox import Outbox
from tests.runtime.services.delivery.broker import Broker, needs_mosquitto, subscribed
from tests.runtime.services.delivery.events import an_event, wait_until

pytestmark = needs_mosquitto
ROOT = Path(__file__).parents[4]
BASE = "flower-edge/garden"


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    broker = Broker(tmp_path)
    yield broker
    broker.kill()


def receiver_of(broker: Broker, path: str = "", **settings: float) -> MqttReceiver:
    return MqttReceiver(broker.url + path, "garden", **settings)  # type: ignore[arg-type]


def test_subscriber_that_comes_later_gets_state_picture_and_discovery(broker: Broker) -> None:
    receiver = receiver_of(broker)
    receiver.start()
    picture = b"\xff\xd8" + bytes(range(256)) * 300
    receiver.deliver(an_event(1, label="rose"))
    receiver.deliver(an_event(2, picture))
    with subscribed(broker.port, "#") as later:
        wait_until(lambda: len(later.retained) == 8)
        content = json.loads(later.last(f"{BASE}/state") or b"")
        assert content["id"] == "2"
        assert {"species", "label", "probability", "verdict", "time", "id", "photo"} <= content.keys()
        assert later.last(f"{BASE}/picture") == picture
        assert later.last(f"{BASE}/availability") == b"online"
        for topic, payload in discovery_messages("garden", Topics(BASE)).items():
            assert later.last(topic) == payload.encode()
        assert f"{BASE}/event" not in later.messages  # not retained
        receiver.deliver(an_event(3))
        wait_until(lambda: f"{BASE}/event" in later.messages)
        wait_until(lambda: later.last(f"{BASE}/picture") == b"")  # this answer has none
        receiver.close()
        wait_until(lambda: later.last(f"{BASE}/availability") == b"offline")


def test_discovery_is_sent_again_when_home_assistant_starts(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.services.delivery.mqtt.DISCOVERY_PAUSE_S", 0)
    receiver = receiver_of(broker)
    receiver.start()
    topic = next(iter(discovery_messages("garden", Topics(BASE))))
    with subscribed(broker.port, "homeassistant/#") as home:
        wait_until(lambda: len(home.messages.get(topic, [])) == 1)
        home.client.publish("homeassistant/status", "offline")
        home.client.publish("homeassistant/status", "online")
        wait_until(lambda: len(home.messages.get(topic, [])) == 2)
    receiver.close()


def test_no_discovery_and_another_base_topic(broker: Broker) -> None:
    receiver = receiver_of(broker, "/house/flowers", discovery=False)
    receiver.deliver(an_event(1))  # without a start, too
    receiver.close()
    with subscribed(broker.port, "#") as later:
        wait_until(lambda: len(later.retained) == 2)
        assert set(later.messages) == {"house/flowers/state", "house/flowers/availability"}


def test_answers_wait_while_the_broker_is_dead(broker: Broker, tmp_path: Path) -> None:
    said: list[str] = []
    outbox = Outbox(
        tmp_path / "outbox.sqlite", [receiver_of(broker)], said.append, first_retry_s=0.05, longest_retry_s=0.2
    )
    outbox.put(an_event(0))
    assert outbox.flush(30)
    broker.kill()
    for number in range(1, 6):
        outbox.put(an_event(number, b"picture"))
    wait_until(lambda: said)
    broker.start()
    with subscribed(broker.port, f"{BASE}/#") as garden:
        assert outbox.flush(60)
        wait_until(lambda: json.loads(garden.last(f"{BASE}/state") or b"{}").get("id") == "5")
        events = [json.loads(payload)["id"] for payload in garden.messages.get(f"{BASE}/event", [])]
        assert events == sorted(events)
        outbox.put(an_event(6))
        wait_until(lambda: json.loads(garden.last(f"{BASE}/event") or b"{}").get("id") == "6")
        outbox.close()
    assert "connection" in said[0]  # it was ended, or is refused
    assert said[-1] == f"{broker.url}: takes answers again"


def test_all_answers_arrive_at_a_subscriber_of_a_broker_that_is_restarted(broker: Broker, tmp_path: Path) -> None:
    with subscribed(broker.port, f"{BASE}/event") as garden:
        outbox = Outbox(
            tmp_path / "outbox.sqlite", [receiver_of(broker)], lambda _: None, first_retry_s=3, longest_retry_s=3
        )
        outbox.put(an_event(0))
        assert outbox.flush(30)
        broker.kill()
        for number in range(1, 8):
            outbox.put(an_event(number))
        broker.start()
        wait_until(garden.client.is_connected)  # it is there before the outbox tries again
        assert outbox.flush(60)
        wait_until(lambda: len(garden.messages.get(f"{BASE}/event", [])) >= 8)
        ids = [json.loads(payload)["id"] for payload in garden.messages[f"{BASE}/event"]]
        assert list(dict.fromkeys(ids)) == [str(number) for number in range(8)]
        outbox.close()


def test_idle_device_comes_back_by_itself(broker: Broker) -> None:
    receiver = receiver_of(broker)
    receiver.start()
    broker.kill()
    broker.start()
    with subscribed(broker.port, f"{BASE}/availability") as garden:
        wait_until(lambda: garden.last(f"{BASE}/availability") == b"online")
    receiver.deliver(an_event(1))
    receiver.close()


def test_wrong_password_is_said_and_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right = "sesame"
    broker = Broker(tmp_path, password=right)
    address = broker.url.replace("//", "//anna@")
    try:
        monkeypatch.setenv("FLOWER_EDGE_MQTT_PASSWORD", "guess")
        said: list[str] = []
        wrong = MqttReceiver(address, "garden")
        outbox = Outbox(tmp_path / "outbox.sqlite", [wrong], said.append, first_retry_s=0.05, longest_retry_s=0.05)
        outbox.put(an_event(1))
        wait_until(lambda: said)
        assert not outbox.flush(0.5)
        outbox.close()
        assert len(said) == 1
        assert "refused the user or the password" in said[0]
        assert "FLOWER_EDGE_MQTT_PASSWORD_FILE" in said[0]
        assert "guess" not in said[0]
        monkeypatch.setenv("FLOWER_EDGE_MQTT_PASSWORD", right)
        outbox = Outbox(tmp_path / "outbox.sqlite", [MqttReceiver(address, "garden")], said.append)
        assert outbox.flush(30)
        outbox.close()
    finally:
        broker.kill()


def test_last_will_of_a_killed_process(broker: Broker) -> None:
    code = (
        "import sys, time; from runtime.services.delivery.mqtt import MqttReceiver;"
        "MqttReceiver(sys.argv[1], 'garden').start(); print('ready', flush=True); time.sleep(600)"
    )
    with (
        subscribed(broker.port, f"{BASE}/availability") as garden,
        subprocess.Popen([sys.executable, "-c", code, broker.url], cwd=ROOT, stdout=subprocess.PIPE) as device,
    ):
        try:
            assert device.stdout is not None
            assert device.stdout.readline() == b"ready\n"
            wait_until(lambda: garden.last(f"{BASE}/availability") == b"online")
            device.send_signal(signal.SIGKILL)
            wait_until(lambda: garden.last(f"{BASE}/availability") == b"offline")
        finally:
            device.kill()


def test_no_acknowledgement_is_a_passing_error(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    receiver = receiver_of(broker, acknowledge_s=0.2)
    receiver.start()
    monkeypatch.setattr(MqttReceiver, "_on_publish", lambda *_: None)
    lost = receiver_of(broker, acknowledge_s=0.2)
    with pytest.raises(DeliveryError, match="did not acknowledge") as error:
        lost.deliver(an_event(1))
    assert error.value.passing
    monkeypatch.undo()
    receiver.deliver(an_event(2))
    receiver.close()
    lost.close()


def test_tls_with_an_authority_of_ones_own(tmp_path: Path) -> None:
    def openssl(*arguments: str) -> None:
        try:
            subprocess.run(["openssl", *arguments], cwd=tmp_path, check=True, capture_output=True, timeout=120)
        except FileNotFoundError:
            pytest.skip("no openssl; run: apt-get install openssl")

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=ca")
    openssl("req", "-x509", *key, "-keyout", "other.key", "-out", "other.pem", "-subj", "/CN=other")
    extensions = ("-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=CA:FALSE")
    signed = ("-CA", "ca.pem", "-CAkey", "ca.key")
    openssl("req", "-x509", *key, "-keyout", "key.pem", "-out", "cert.pem", "-subj", "/CN=broker", *signed, *extensions)
    broker = Broker(tmp_path, f"certfile {tmp_path}/cert.pem", f"keyfile {tmp_path}/key.pem")
    address = broker.url.replace("mqtt:", "mqtts:")
    try:
        receiver = MqttReceiver(f"{address}?ca={tmp_path}/ca.pem", "garden")
        receiver.deliver(an_event(1))
        receiver.close()
        context = ssl.create_default_context(cafile=tmp_path / "ca.pem")
        with subscribed(broker.port, f"{BASE}/state", prepare=lambda each: each.tls_set_context(context)) as garden:
            wait_until(lambda: json.loads(garden.last(f"{BASE}/state") or b"{}").get("id") == "1")
        for wrong in (address, f"{address}?ca={tmp_path}/other.pem"):
            receiver = MqttReceiver(wrong, "garden")
            with pytest.raises(DeliveryError, match="certificate is not trusted") as error:
                receiver.start()
            assert error.value.passing
            receiver.close()
        with pytest.raises(FlowerError, match="no certificates"):
            MqttReceiver(f"{address}?ca={tmp_path}/ca.key", "garden")
    finally:
        broker.kill()


def test_without_paho_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "paho.mqtt.enums", None)
    with pytest.raises(FlowerError, match=r"pip install '.*\[mqtt\]'"):
        MqttReceiver("mqtt://127.0.0.1", "garden")
