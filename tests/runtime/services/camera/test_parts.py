"""The parts of the camera service: names of sources, the Pi's camera, motion, and the folder of kept pictures."""

import os
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from runtime import FlowerClassifier, FlowerError
from runtime.services.camera.answer_camera import CameraSettings, answer_camera
from runtime.services.camera.kept_pictures import KeptPictures, name_part
from runtime.services.camera.motion import MotionDetector
from runtime.services.camera.opencv_capture import OPTIONS_VARIABLE, open_with_opencv, prepare_opencv
from runtime.services.camera.sources import parse_source
from tests.runtime.services.camera.films import BLUE, RED, plain, write_film
from tests.samples.tiny_model import save_tiny_model


@pytest.mark.parametrize(
    ("text", "kind", "target", "name"),
    [
        ("picamera", "picamera", "0", "picamera:0"),
        ("picamera:1", "picamera", "1", "picamera:1"),
        ("/dev/v4l/by-id/usb-cam", "device", "/dev/v4l/by-id/usb-cam", "/dev/v4l/by-id/usb-cam"),
        ("rtsp://me:pa%20ss@10.0.0.5:554/user=me&password=pass", "stream", None, "rtsp://10.0.0.5:554/…"),
        ("https://me@[fe80::1]/live", "stream", None, "https://[fe80::1]/…"),
    ],
)
def test_names_of_sources(text: str, kind: str, target: str | None, name: str) -> None:
    source = parse_source(text)
    assert (source.kind, source.target, source.name) == (kind, target or text, name)
    assert "pass" not in repr(source)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere numbers are no device files")
def test_a_number_is_a_device() -> None:
    assert parse_source("1").target == "/dev/video1"


@pytest.mark.parametrize(
    "text",
    [
        "file:///etc/passwd", "concat:a.mp4|b.mp4", "ftp://s3cret@host/", "rtsp://", "rtsp://s3cret@ho st/a",
        "rtsp://s3cret@host:99999/", "http://s3cret@host/a b", "http://s3cret@[::1/", "rtmp://s3cret@host/a\nb", "a\0b",
        "pipe:0", "", ".", "rtsp://s3cret@host/" + 3000 * "a", "http://s3cret@host\\@other/",
    ],
)  # fmt: skip
def test_what_is_no_source(text: str) -> None:
    with pytest.raises(FlowerError) as raised:
        parse_source(text)
    assert "s3cret" not in str(raised.value)


def test_a_file_cannot_name_other_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    film = write_film(tmp_path / "film.mp4", [plain(RED)] * 5)
    monkeypatch.delenv(OPTIONS_VARIABLE, raising=False)
    lists = {
        "concat.mp4": f"ffconcat version 1.0\nfile {film.name}\n",
        "list.m3u8": f"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{film.name}\n#EXT-X-ENDLIST\n",
    }
    for name, content in lists.items():
        (tmp_path / name).write_text(content)
        source = parse_source(str(tmp_path / name))
        prepare_opencv(source)
        with pytest.raises(FlowerError, match="not a film that is read"):
            open_with_opencv(source)
    source = parse_source(str(film))
    prepare_opencv(source)
    open_with_opencv(source).close()


def test_frames_that_are_too_large_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    film = write_film(tmp_path / "film.mp4", [plain(RED)])
    monkeypatch.setattr("runtime.services.camera.sources.MAX_FRAME_PIXELS", 64 * 48 - 1)
    source = parse_source(str(film))
    prepare_opencv(source)
    with pytest.raises(FlowerError, match="64 × 48 pixels"):
        open_with_opencv(source)


class StandIn:
    """The calls of picamera2's documentation that are used, with a picture of one colour."""

    cameras = 1
    log: list[str]

    def __init__(self, number: int) -> None:
        self.log = StandIn.log = [f"open {number}"]

    @staticmethod
    def global_camera_info() -> list[dict[str, Any]]:
        return [{"Num": number} for number in range(StandIn.cameras)]

    def create_video_configuration(self, main: dict[str, Any]) -> dict[str, Any]:
        return {"main": main}

    def configure(self, configuration: dict[str, Any]) -> None:
        self.size, self.format = configuration["main"]["size"], configuration["main"]["format"]

    def start(self) -> None:
        self.log.append("start")

    def capture_metadata(self, wait: float) -> dict[str, Any]:
        time.sleep(0.01)
        if not StandIn.cameras:
            raise TimeoutError
        return {"ExposureTime": 1}

    def capture_array(self, name: str, wait: float) -> np.ndarray:
        # BGR888 is the format whose arrays are in the order R, G, B.
        order = {"BGR888": BLUE, "RGB888": BLUE[::-1]}[self.format]
        return np.full((self.size[1], self.size[0], 3), order, np.uint8)

    def stop(self) -> None:
        self.log.append("stop")

    def close(self) -> None:
        self.log.append("close")


def test_the_camera_of_the_pi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("picamera2")
    module.Picamera2 = StandIn  # type: ignore[attr-defined]
    classifier = FlowerClassifier(save_tiny_model(tmp_path / "tiny.onnx"))
    said: list[str] = []
    monkeypatch.setitem(sys.modules, "cv2", None)  # OpenCV is not needed
    monkeypatch.setitem(sys.modules, "picamera2", None)
    with pytest.raises(FlowerError, match="apt install python3-picamera2"):
        answer_camera(classifier, CameraSettings("picamera"), say=said.append)
    monkeypatch.setitem(sys.modules, "picamera2", module)
    with pytest.raises(FlowerError, match=r"no such camera \(1 found\)"):
        next(answer_camera(classifier, CameraSettings("picamera:1"), say=said.append))
    monkeypatch.setattr("runtime.services.camera.frames.FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr("runtime.services.camera.frames.TICK_S", 0.02)
    ticks: list[int] = []

    def on_frame() -> None:
        ticks.append(0)
        StandIn.cameras = 0 if 20 < len(ticks) < 40 else 1

    answers = answer_camera(classifier, CameraSettings("picamera", every_s=0.02), say=said.append, on_frame=on_frame)
    first = next(answers)
    assert (first.answer["photo"], first.answer["predictions"][0]["label"]) == ("picamera:0", "blue")
    assert first.picture.shape == (768, 1024, 3)
    monkeypatch.setattr(StandIn, "capture_array", lambda *_, **__: np.full((48, 64, 3), RED, np.uint8))
    assert next(answers).answer["predictions"][0]["label"] == "red"
    answers.close()  # type: ignore[attr-defined]
    for _ in range(600):
        if StandIn.log[-1] == "close":
            break
        time.sleep(0.1)
    assert StandIn.log == ["open 0", "start", "stop", "close"]


def noisy(generator: np.random.Generator, level: float, deviation: float) -> np.ndarray:
    return np.clip(generator.normal(level, deviation, (240, 320, 3)), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("deviation", [0, 5, 10])
def test_noise_and_slow_light_are_no_motion_and_an_object_is(deviation: float) -> None:
    generator = np.random.default_rng(0)
    detector = MotionDetector()
    assert not any(detector.changes(t / 2, noisy(generator, 60 + t / 2, deviation)) for t in range(120))
    picture = noisy(generator, 120, deviation)
    picture[100:130, 100:130] = 220  # 1.2 % of the picture
    assert detector.changes(60, picture)
    # What stays becomes part of the background.
    assert not [detector.changes(60 + t / 2, picture) for t in range(1, 60)][-1]


def file_sizes(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in folder.iterdir()}


def test_the_folder_of_kept_pictures_is_bounded_and_foreign_files_stay(tmp_path: Path) -> None:
    foreign = ["flower-edge-notes.jpg", "rose.jpg", "flower-edge-20260101-000000-000-rose.jpg.bak", ".hidden.tmp"]
    for name in foreign:
        (tmp_path / name).write_bytes(bytes(100_000))
        os.utime(tmp_path / name, (0, 0))
    (tmp_path / "flower-edge-20250101-000000-000-linked.jpg").symlink_to(tmp_path / "rose.jpg")
    leftover = tmp_path / f".flower-edge-20260101-000000-000-rose.jpg.{'0a' * 6}.tmp"
    leftover.write_bytes(b"part of a picture")
    os.utime(leftover, (0, 0))
    said: list[str] = []
    kept = KeptPictures(tmp_path, 5000, said.append)
    paths = [kept.keep(plain(RED), f"Rose No. {number}") for number in range(20)]
    own = [path for path in paths if path is not None and path.exists()]
    assert 1 < len(own) < 20
    assert own == paths[-len(own) :]
    assert sum(path.stat().st_size for path in own) <= 5000
    assert {*file_sizes(tmp_path)} == {*foreign, "flower-edge-20250101-000000-000-linked.jpg"} | {p.name for p in own}
    assert said == []


def test_a_disk_that_fails_is_said_once_and_ends_nothing(tmp_path: Path) -> None:
    said: list[str] = []
    kept = KeptPictures(tmp_path / "kept", 5000, said.append)
    (tmp_path / "kept").rmdir()
    (tmp_path / "kept").touch()  # no folder can be written here, whoever runs the tests
    assert [kept.keep(plain(RED), "rose") for _ in range(3)] == [None] * 3
    (tmp_path / "kept").unlink()
    (tmp_path / "kept").mkdir()
    assert kept.keep(plain(RED), "rose") is not None
    assert [("cannot be kept" in line, "kept again" in line) for line in said] == [(True, False), (False, True)]
    with pytest.raises(FlowerError, match="no folder for pictures"):
        KeptPictures(write_film(tmp_path / "a.mp4", [plain(RED)]) / "kept", 5000, said.append)


@pytest.mark.parametrize(
    ("label", "part"),
    [("../../etc/passwd", "etc-passwd"), ("Bolero deep blue", "bolero-deep-blue"), ("Märzenbecher", "marzenbecher"),
     ("向日葵", "flower"), ("a" * 500, "a" * 60), ("", "flower")],
)  # fmt: skip
def test_labels_become_safe_names(label: str, part: str) -> None:
    assert name_part(label) == part
