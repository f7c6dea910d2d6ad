"""Debian's MQTT broker, mosquitto, as a process of the tests."""

import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.services.delivery.events import wait_until

PLACES = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin"))
MOSQUITTO, MOSQUITTO_PASSWD = (shutil.which(name, path=PLACES) for name in ("mosquitto", "mosquitto_passwd"))
MISSING = MOSQUITTO is None or MOSQUITTO_PASSWD is None
needs_mosquitto = pytest.mark.skipif(MISSING, reason="no mosquitto; run: apt-get install mosquitto")


class Broker:
    """A broker on 127.0.0.1.

    Args:
        folder: for its files.
        options: lines of its configuration.
        password: of the user ``anna``; None lets everyone in.
    """

    def __init__(self, folder: Path, *options: str, password: str | None = None) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None
        self._log = folder / "broker.log"
        self._configuration = folder / "mosquitto.conf"
        lines = [f"listener {self.port} 127.0.0.1", "user root", *options]
        if password is None:
            lines.append("allow_anonymous true")
        else:
            users = folder / "users"
            assert MOSQUITTO_PASSWD is not None
            subprocess.run([MOSQUITTO_PASSWD, "-c", "-b", users, "anna", password], check=True, capture_output=True)
            lines += ["allow_anonymous false", f"password_file {users}"]
        self._configuration.write_text("\n".join(lines) + "\n")
        self.start()

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    def start(self) -> None:
        assert MOSQUITTO is not None
        with self._log.open("ab") as log:
            self._process = subprocess.Popen([MOSQUITTO, "-c", self._configuration], stdout=log, stderr=log)
        wait_until(self._listens)

    def _listens(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self._log.read_text()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def kill(self) -> None:
        """End the broker as ``kill -9`` does."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()


class Subscriber:
    """A client that records messages: topic → the payloads, and the topics whose message was a retained one."""

    def __init__(self, port: int, *topics: str, prepare: Callable[[Any], object] = lambda _: None) -> None:
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion

        self.messages: dict[str, list[bytes]] = {}
        self.retained: set[str] = set()
        self._subscribed = False
        self.client = Client(CallbackAPIVersion.VERSION2)
        self.client.on_message = self._record
        self.client.on_connect = lambda client, *_: client.subscribe([(topic, 1) for topic in topics])
        self.client.on_subscribe = self._on_subscribe
        self.client.reconnect_delay_set(1, 1)
        prepare(self.client)
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        wait_until(lambda: self._subscribed)

    def _on_subscribe(self, *_: object) -> None:
        self._subscribed = True

    def _record(self, _client: object, _data: object, message: Any) -> None:
        self.messages.setdefault(message.topic, []).append(message.payload)
        if message.retain:
            self.retained.add(message.topic)

    def last(self, topic: str) -> bytes | None:
        received = self.messages.get(topic)
        return received[-1] if received else None

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@contextmanager
def subscribed(port: int, *topics: str, prepare: Callable[[Any], object] = lambda _: None) -> Iterator[Subscriber]:
    subscriber = Subscriber(port, *topics, prepare=prepare)
    try:
        yield subscriber
    finally:
        subscriber.close()
