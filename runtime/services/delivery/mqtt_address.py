"""The address of an MQTT broker, and the password, which never stands in the address."""

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from runtime.errors import FlowerError

PASSWORD_VARIABLE, PASSWORD_FILE_VARIABLE = "FLOWER_EDGE_MQTT_PASSWORD", "FLOWER_EDGE_MQTT_PASSWORD_FILE"
"""Environment variables: the password itself, or the path of a file that holds it."""
PORTS = {"mqtt": 1883, "mqtts": 8883}
"""Scheme → the port if the address has none."""
MAX_PASSWORD_BYTES = 65_535
"""MQTT's limit."""
MAX_TOPIC_BYTES = 200
"""Of the base topic."""


@dataclass(frozen=True)
class MqttAddress:
    """Where an MQTT broker is, and how to log in."""

    host: str
    port: int
    user: str | None
    password: str | None
    base_topic: str | None
    """None if the address has none."""
    tls: bool
    ca: Path | None
    """Certificates of the authorities that are trusted; None for the system's."""

    @property
    def name(self) -> str:
        """For messages, for example ``mqtt://garden.local:1883``. It has no user and no password."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'mqtts' if self.tls else 'mqtt'}://{host}:{self.port}"

    def __repr__(self) -> str:
        return f"MqttAddress({self.name})"


def parse_mqtt_address(url: str) -> MqttAddress:
    """Return the parts of ``mqtt://user@host[:port]/[base-topic]`` or ``mqtts://…[?ca=FILE]``, with the password.

    Raises:
        FlowerError: the address is not valid or has a password, or the password cannot be read.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise FlowerError("the address of the MQTT broker is not valid; write mqtt://USER@HOST:PORT") from None
    if parts.password is not None:
        raise FlowerError(
            "the address of the MQTT broker has a password, which every user of this machine can see; put it into the "
            f"environment variable {PASSWORD_VARIABLE}, or into a file that {PASSWORD_FILE_VARIABLE} names"
        )
    if parts.scheme not in PORTS or not parts.hostname or port == 0 or parts.fragment:
        # The address is not repeated: a mistyped one may hold a password.
        raise FlowerError("this is no address of an MQTT broker; write mqtt://USER@HOST:PORT or mqtts://…")
    options = parse_qs(parts.query, keep_blank_values=True)
    if unknown := options.keys() - ({"ca"} if parts.scheme == "mqtts" else set()):
        raise FlowerError(f"unknown option {min(unknown)!r} in the address of the MQTT broker; mqtts:// takes ?ca=FILE")
    ca = Path(options["ca"][-1]) if "ca" in options else None
    if ca is not None and not ca.is_file():
        raise FlowerError(f"{ca}: no such file; ?ca= names the certificates of the authorities to trust")
    user = unquote(parts.username) if parts.username else None
    password = _password()
    if password is not None and user is None:
        raise FlowerError("there is a password for MQTT, but the address names no user; write mqtt://USER@HOST:PORT")
    topic = unquote(parts.path.removeprefix("/"))
    return MqttAddress(
        host=parts.hostname,
        port=port or PORTS[parts.scheme],
        user=user,
        password=password,
        base_topic=_check_topic(topic) if topic else None,
        tls=parts.scheme == "mqtts",
        ca=ca,
    )


def _check_topic(topic: str) -> str:
    try:
        size = len(topic.encode())
    except UnicodeEncodeError:
        size = MAX_TOPIC_BYTES + 1
    if (
        size > MAX_TOPIC_BYTES
        or any(character in "+#" or not character.isprintable() for character in topic)
        or topic.startswith(("/", "$"))
        or topic.endswith("/")
    ):
        raise FlowerError(
            f"{topic[:MAX_TOPIC_BYTES]!r} is no topic to publish under; use letters, digits, '-', '_' and '/' inside"
        )
    return topic


def _password() -> str | None:
    """Return the password from the environment; None if there is none."""
    password, path = os.environ.get(PASSWORD_VARIABLE), os.environ.get(PASSWORD_FILE_VARIABLE)
    if password and path:
        raise FlowerError(f"both {PASSWORD_VARIABLE} and {PASSWORD_FILE_VARIABLE} are set; set one of them")
    if path:
        try:
            with Path(path).open("rb") as file:
                content = file.read(MAX_PASSWORD_BYTES + 3)
            password = content.decode().removesuffix("\n").removesuffix("\r")
        except OSError as error:
            raise FlowerError(f"{path}: the password for MQTT cannot be read ({error.strerror})") from None
        except UnicodeDecodeError:
            raise FlowerError(f"{path}: the password for MQTT is not text in UTF-8") from None
        if not password:
            raise FlowerError(f"{path}: the file with the password for MQTT is empty")
    if password and len(password.encode(errors="surrogateescape")) > MAX_PASSWORD_BYTES:
        raise FlowerError(f"the password for MQTT is longer than {MAX_PASSWORD_BYTES:,} bytes")
    return password or None
