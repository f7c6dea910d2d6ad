"""The address of an MQTT broker."""

from pathlib import Path

import pytest

from runtime import FlowerError
from runtime.services.delivery.mqtt_address import PASSWORD_FILE_VARIABLE, PASSWORD_VARIABLE, parse_mqtt_address


@pytest.fixture(autouse=True)
def _no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PASSWORD_VARIABLE, raising=False)
    monkeypatch.delenv(PASSWORD_FILE_VARIABLE, raising=False)


def test_parts_of_an_address(tmp_path: Path) -> None:
    plain = parse_mqtt_address("mqtt://garden.local")
    assert (plain.host, plain.port, plain.user, plain.base_topic, plain.tls) == (
        "garden.local",
        1883,
        None,
        None,
        False,
    )
    (tmp_path / "ca.pem").touch()
    full = parse_mqtt_address(f"mqtts://anna%40home@[::1]:9000/house/flowers?ca={tmp_path}/ca.pem")
    assert (full.host, full.port, full.user, full.base_topic) == ("::1", 9000, "anna@home", "house/flowers")
    assert (full.tls, full.ca, full.name) == (True, tmp_path / "ca.pem", "mqtts://[::1]:9000")
    assert parse_mqtt_address("mqtts://host/").port == 8883


def test_password_comes_from_the_environment_or_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    word = "sesame"
    monkeypatch.setenv(PASSWORD_VARIABLE, word)
    address = parse_mqtt_address("mqtt://anna@host")
    assert address.password == word
    assert "sesame" not in repr(address)
    with pytest.raises(FlowerError, match="names no user"):
        parse_mqtt_address("mqtt://host")
    monkeypatch.setenv(PASSWORD_FILE_VARIABLE, str(tmp_path / "password"))
    with pytest.raises(FlowerError, match="set one of them"):
        parse_mqtt_address("mqtt://anna@host")
    monkeypatch.delenv(PASSWORD_VARIABLE)
    with pytest.raises(FlowerError, match="No such file"):
        parse_mqtt_address("mqtt://anna@host")
    word = " open \u00e4"
    (tmp_path / "password").write_bytes(f"{word}\n".encode())
    assert parse_mqtt_address("mqtt://anna@host").password == word
    for content, message in ((b"\n", "empty"), (b"\xff", "UTF-8"), (b"a" * 70_000, "longer")):
        (tmp_path / "password").write_bytes(content)
        with pytest.raises(FlowerError, match=message):
            parse_mqtt_address("mqtt://anna@host")


def test_password_in_the_address_is_refused_and_not_shown() -> None:
    with pytest.raises(FlowerError, match=PASSWORD_FILE_VARIABLE) as error:
        parse_mqtt_address("mqtt://anna:sesame@host")
    assert "sesame" not in str(error.value)


@pytest.mark.parametrize(
    "url",
    ["http://host", "host:1883", "mqtt://", "mqtt://host:99999", "mqtt://host:0", "mqtt://host/a/#", "mqtt://host/+/a",
     "mqtt://host//a", "mqtt://host/a/", "mqtt://host/$SYS", "mqtt://host/%00", "mqtt://host/?ca=a", "mqtts://host?x=1",
     "mqtts://host?ca=/no/such/file", "mqtt://host/" + "a" * 300, "mqtt://host/a#b"],
)  # fmt: skip
def test_wrong_addresses_are_refused(url: str) -> None:
    with pytest.raises(FlowerError):
        parse_mqtt_address(url)
