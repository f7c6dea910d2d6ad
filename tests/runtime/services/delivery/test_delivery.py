"""Delivery as a whole."""

import io
import json
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from runtime import FlowerError
from runtime.services.delivery.delivery import DeliverySettings, default_outbox, open_delivery
from tests.runtime.services.delivery.broker import Broker, needs_mosquitto, subscribed
from tests.runtime.services.delivery.events import an_answer, wait_until

ROOT = Path(__file__).parents[4]
APPEND = "import sys; open(sys.argv[1], 'a').write(sys.stdin.read())"


def append_to(path: Path) -> str:
    return shlex.join([sys.executable, "-c", APPEND, str(path)])


def test_answers_that_meet_the_conditions_reach_a_command(tmp_path: Path) -> None:
    settings = DeliverySettings(
        command=append_to(tmp_path / "taken"), outbox=tmp_path / "outbox.sqlite", min_probability=0.5, cooldown_s=600
    )
    with open_delivery(settings, source="watch", say=print) as delivery:
        for answer in (
            an_answer("rose"), an_answer("rose"), an_answer("lotus", "between"), an_answer("fig", probability=0.4),
            an_answer("lily") | {"latitude": 1.5},
        ):  # fmt: skip
            delivery.offer(answer, None)
    taken = [json.loads(line) for line in (tmp_path / "taken").read_text().splitlines()]
    assert [each["predictions"][0]["label"] for each in taken] == ["rose", "lily"]
    assert taken[1]["latitude"] == 1.5
    assert [each["source"] for each in taken] == ["watch", "watch"]
    assert len({each["id"] for each in taken}) == 2


def test_without_a_receiver_nothing_is_opened(tmp_path: Path) -> None:
    settings = DeliverySettings(outbox=tmp_path / "outbox.sqlite")
    assert not settings.active
    with open_delivery(settings, source="serve", say=print) as delivery:
        delivery.offer(an_answer(), None)
    assert not any(tmp_path.iterdir())


def test_wrong_setting_leaves_no_file(tmp_path: Path) -> None:
    settings = DeliverySettings(command="no-such-program-here", outbox=tmp_path / "outbox.sqlite")
    with pytest.raises(FlowerError, match="no such program"), open_delivery(settings, source="camera", say=print):
        pass
    assert not any(tmp_path.iterdir())


def test_default_outbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    assert default_outbox("watch") == tmp_path / ".local/state/flower-edge/outbox-watch.sqlite"
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert default_outbox("camera") == tmp_path / "state/flower-edge/outbox-camera.sqlite"
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/flower-watch:/var/lib/other")
    assert default_outbox("watch") == Path("/var/lib/flower-watch/outbox-watch.sqlite")


@needs_mosquitto
def test_picture_and_answer_reach_a_broker_after_a_crash(tmp_path: Path) -> None:
    pytest.importorskip("paho.mqtt.enums", reason="no paho-mqtt 2; run: pip install '.[mqtt]'")
    code = (
        "import os, sys; from pathlib import Path;"
        "from runtime.services.delivery.delivery import DeliverySettings, open_delivery;"
        "from tests.runtime.services.delivery.events import an_answer\n"
        "settings = DeliverySettings(mqtt=sys.argv[1], device_id='garden', outbox=Path(sys.argv[2]))\n"
        "with open_delivery(settings, source='camera', say=print) as delivery:\n"
        "    delivery.offer(an_answer('rose'), sys.argv[3])\n"
        "    print('safe', flush=True); sys.stdin.read()\n"
    )
    broker = Broker(tmp_path)
    broker.kill()
    Image.effect_noise((1200, 800), 90).convert("RGB").save(tmp_path / "photo.png")
    command = [sys.executable, "-c", code, broker.url, str(tmp_path / "outbox.sqlite"), str(tmp_path / "photo.png")]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as service:
        try:
            assert service.stdout is not None
            wait_until(lambda: service.stdout is not None and service.stdout.readline() == "safe\n")
            service.send_signal(signal.SIGKILL)
        finally:
            service.kill()
    broker.start()
    try:
        settings = DeliverySettings(mqtt=broker.url, device_id="garden", outbox=tmp_path / "outbox.sqlite")
        with (
            subscribed(broker.port, "#") as garden,
            open_delivery(settings, source="camera", say=print),
        ):
            wait_until(lambda: "flower-edge/garden/state" in garden.messages)
        assert json.loads(garden.last("flower-edge/garden/state") or b"")["species"] == "rose"
        picture = Image.open(io.BytesIO(garden.last("flower-edge/garden/picture") or b""))
        assert (picture.format, picture.size) == ("JPEG", (640, 427))
    finally:
        broker.kill()
