"""MQTT: an answer becomes the retained state of a device, its picture, and an event."""

import json
import ssl
import sys
import time
from threading import Condition
from typing import TYPE_CHECKING, Any

from runtime.distribution import install_command
from runtime.errors import FlowerError
from runtime.services.delivery.event import AnswerEvent, DeliveryError
from runtime.services.delivery.home_assistant import (
    BIRTH_PAYLOAD,
    BIRTH_TOPIC,
    OFFLINE,
    ONLINE,
    Topics,
    discovery_messages,
    event_payload,
    state,
)
from runtime.services.delivery.mqtt_address import PASSWORD_FILE_VARIABLE, PASSWORD_VARIABLE, parse_mqtt_address

if TYPE_CHECKING:
    from paho.mqtt.client import Client, MQTTMessage

QOS = 1
"""The broker acknowledges each message."""
CONNECT_S = 10.0
"""Seconds to wait for a connection."""
ACKNOWLEDGE_S = 20.0
"""Seconds to wait until the broker has acknowledged the messages of an event."""
KEEPALIVE_S = 30
"""After one and a half times this, the broker takes a silent device for offline."""
RECONNECT_S = 1, 120
"""The shortest and the longest pause before a lost connection is made again, seconds."""
DISCOVERY_PAUSE_S = 1.0
"""The discovery messages are not sent more often."""
CLOSE_S = 2.0
"""Seconds to wait until the broker has acknowledged that the device goes offline."""
CREDENTIAL_CODES = {"Bad user name or password", "Not authorized"}
"""How paho names the refusals of a user."""


class MqttReceiver:
    """Publishes events at an MQTT broker (version 3.1.1, QoS 1).

    The connection stays open between events, so that the broker knows whether the device is online.

    Args:
        url: see `runtime.services.delivery.mqtt_address.parse_mqtt_address`.
        device: what `runtime.services.delivery.home_assistant.device_id` returned. Two services that run at the same
            time must have different ones: a broker has one connection for each client id.
        discovery: send the messages by which Home Assistant finds the device.

    Raises:
        FlowerError: the address is not valid, the certificates cannot be read, or paho-mqtt is not installed.
    """

    def __init__(
        self,
        url: str,
        device: str,
        *,
        discovery: bool = True,
        connect_s: float = CONNECT_S,
        acknowledge_s: float = ACKNOWLEDGE_S,
    ) -> None:
        try:
            import paho.mqtt.enums  # noqa: F401 (version 2; version 1 has no such module)
        except ImportError:
            raise FlowerError(f"MQTT needs paho-mqtt 2; run: {install_command('mqtt')}") from None
        self._address = parse_mqtt_address(url)
        self.name = self._address.name
        self._client_id = f"flower-edge-{device}"
        self._topics = Topics(self._address.base_topic or f"flower-edge/{device}")
        self._discovery = discovery_messages(device, self._topics) if discovery else {}
        self._connect_s, self._acknowledge_s = connect_s, acknowledge_s
        self._tls = self._tls_context() if self._address.tls else None
        self._client: Client | None = None
        self._changed = Condition()
        """Guards what follows, which the client's thread changes. It is never held while the client is called."""
        self._connected = False
        self._problem: str | None = None
        """Why there is no connection; None while one is being made."""
        self._acknowledged: set[int] = set()
        self._discovered = float("-inf")
        """When the discovery messages were sent last, monotonic seconds."""

    def _tls_context(self) -> ssl.SSLContext:
        try:
            return ssl.create_default_context(cafile=self._address.ca)
        except (OSError, ssl.SSLError) as error:
            raise FlowerError(f"{self._address.ca}: no certificates can be read from it ({error})") from None

    def start(self) -> None:
        """Connect to the broker, announce the device, and stay connected."""
        self._ensure_connected()

    def deliver(self, event: AnswerEvent) -> None:
        """Publish the picture, the state and the event, and wait until the broker has acknowledged all three."""
        client = self._ensure_connected()
        with self._changed:
            self._acknowledged.clear()
        # The picture comes first: when the state changes, it is there. An empty one removes that of the answer before.
        waiting = {
            self._publish(client, self._topics.picture, event.picture or b""),
            self._publish(client, self._topics.state, json.dumps(state(event.answer))),
            self._publish(client, self._topics.event, event_payload(event.answer), retain=False),
        }
        with self._changed:
            self._changed.wait_for(
                lambda: waiting <= self._acknowledged or not self._connected, timeout=self._acknowledge_s
            )
            taken, problem = waiting <= self._acknowledged, self._problem
        if not taken:
            # A new client, so that the messages of this attempt do not wait in the old one as well.
            self._drop_client()
            raise DeliveryError(
                problem or f"the broker did not acknowledge the answer within {self._acknowledge_s:g} s", passing=True
            )

    def close(self) -> None:
        """Say that the device is offline, and disconnect."""
        client = self._client
        try:
            if client is not None and self._connected:
                # The broker sends the last will only if the connection breaks.
                client.publish(self._topics.availability, OFFLINE, QOS, retain=True).wait_for_publish(CLOSE_S)
        finally:
            self._drop_client()

    def _publish(self, client: "Client", topic: str, payload: str | bytes, *, retain: bool = True) -> int:
        """Queue a message and return its number."""
        return client.publish(topic, payload, QOS, retain=retain).mid

    def _ensure_connected(self) -> "Client":
        """Return the connected client.

        Raises:
            DeliveryError: there is no connection.
        """
        if self._client is None or not self._connected:
            self._drop_client()
            self._client = self._new_client()
            self._client.connect_async(self._address.host, self._address.port, KEEPALIVE_S)
            self._client.loop_start()
        with self._changed:
            self._changed.wait_for(lambda: self._connected or self._problem is not None, self._connect_s)
            if not self._connected:
                raise DeliveryError(self._problem or f"no connection within {self._connect_s:g} s", passing=True)
        return self._client

    def _new_client(self) -> "Client":
        from paho.mqtt.client import Client, MQTTv311
        from paho.mqtt.enums import CallbackAPIVersion

        client = Client(CallbackAPIVersion.VERSION2, self._client_id, protocol=MQTTv311)
        if self._address.user is not None:
            client.username_pw_set(self._address.user, self._address.password)
        if self._tls is not None:
            client.tls_set_context(self._tls)
        client.will_set(self._topics.availability, OFFLINE, QOS, retain=True)
        client.reconnect_delay_set(*RECONNECT_S)
        client.connect_timeout = self._connect_s
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_message = self._on_message
        return client

    def _drop_client(self) -> None:
        """End the client and its thread."""
        client, self._client = self._client, None
        if client is not None:
            client.disconnect()
            client.loop_stop()
        with self._changed:
            self._connected, self._problem = False, None
            self._acknowledged.clear()

    # The client's thread calls the following methods.

    def _on_connect(self, client: "Client", _data: object, _flags: object, code: Any, _properties: object) -> None:
        if code.is_failure:
            self._lost(
                f"the broker refused the user or the password ({code}); check the user in the address and "
                f"{PASSWORD_VARIABLE} or {PASSWORD_FILE_VARIABLE}"
                if str(code) in CREDENTIAL_CODES
                else f"the broker refused the connection ({code})"
            )
            return
        client.publish(self._topics.availability, ONLINE, QOS, retain=True)
        if self._discovery:
            client.subscribe(BIRTH_TOPIC, QOS)
            self._discovered = float("-inf")  # the broker may have been restarted and have nothing
            self._send_discovery(client)
        with self._changed:
            self._connected, self._problem = True, None
            self._changed.notify_all()

    def _on_connect_fail(self, _client: "Client", _data: object) -> None:
        # paho calls this where it handles the exception, and does not hand it over.
        error = sys.exception()
        reason = getattr(error, "verify_message", None) or getattr(error, "strerror", None) or error
        if isinstance(error, ssl.SSLCertVerificationError):
            reason = f"its certificate is not trusted: {reason}; give its authority with ?ca=FILE"
        self._lost(f"no connection to the broker ({reason})")

    def _on_disconnect(
        self, _client: "Client", _data: object, _flags: object, _code: object, _properties: object
    ) -> None:
        with self._changed:
            was_connected = self._connected
        if was_connected:  # otherwise the reason is known already
            self._lost(
                "the broker ended the connection; if this repeats, another program uses the client id "
                f"{self._client_id!r}: give each device an id of its own"
            )

    def _lost(self, problem: str) -> None:
        with self._changed:
            self._connected, self._problem = False, problem
            self._changed.notify_all()

    def _on_publish(self, _client: "Client", _data: object, mid: int, _code: object, _properties: object) -> None:
        with self._changed:
            self._acknowledged.add(mid)
            self._changed.notify_all()

    def _on_message(self, client: "Client", _data: object, message: "MQTTMessage") -> None:
        # Home Assistant has started and does not know the device yet, unless the broker kept the messages.
        if message.topic == BIRTH_TOPIC and message.payload == BIRTH_PAYLOAD:
            self._send_discovery(client)

    def _send_discovery(self, client: "Client") -> None:
        now = time.monotonic()
        if now - self._discovered < DISCOVERY_PAUSE_S:
            return
        self._discovered = now
        for topic, payload in self._discovery.items():
            client.publish(topic, payload, QOS, retain=True)
