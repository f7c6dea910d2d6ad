"""The camera service on real films and a real stream."""

import math
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from runtime import FlowerClassifier, FlowerError, OutOfMemoryError
from runtime.inference.session import Outputs
from runtime.services.camera.answer_camera import CameraAnswer, CameraSettings, answer_camera
from tests.runtime.child_process import enable_keyboard_interrupt
from tests.runtime.services.camera.films import BLACK, BLUE, RED, NetworkCamera, plain, write_film
from tests.samples.tiny_model import save_tiny_model

pytest.importorskip("cv2")
ROOT = Path(__file__).parents[4]


@pytest.fixture
def classifier(tmp_path: Path) -> FlowerClassifier:
    return FlowerClassifier(save_tiny_model(tmp_path / "tiny.onnx", with_familiarity=True, familiarity_threshold=0.3))


@pytest.fixture
def answered(classifier: FlowerClassifier, monkeypatch: pytest.MonkeyPatch) -> list[np.ndarray]:
    """The frames that the network was given."""
    frames: list[np.ndarray] = []
    outputs = classifier.outputs

    def record(picture: Any) -> Outputs:
        frames.append(picture)
        return outputs(picture)

    monkeypatch.setattr(classifier, "outputs", record)
    return frames


@pytest.fixture
def network_camera() -> Iterator[NetworkCamera]:
    camera = NetworkCamera()
    yield camera
    camera.switch_off()


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.services.camera.frames.FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr("runtime.services.camera.frames.LONGEST_PAUSE_S", 0.05)
    monkeypatch.setattr("runtime.services.camera.frames.TICK_S", 0.02)


def run(
    classifier: FlowerClassifier, source: object, said: list[str] | None = None, **settings: Any
) -> list[CameraAnswer]:
    say = ([] if said is None else said).append
    return list(answer_camera(classifier, CameraSettings(str(source), **settings), say=say))


def names(answers: list[CameraAnswer]) -> list[tuple[str, float]]:
    """Return what was answered and when, in seconds of the film."""
    return [
        (each.answer["predictions"][0]["label"] if each.answer["verdict"] == "name" else each.answer["verdict"],
         each.answer["film_s"]) for each in answers
    ]  # fmt: skip


def test_a_film_is_answered_once_and_ends(
    classifier: FlowerClassifier, answered: list[np.ndarray], tmp_path: Path
) -> None:
    film = write_film(tmp_path / "film.mp4", [plain(RED)] * 100, rate=10)
    said: list[str] = []
    (answer,) = run(classifier, film, said, top=2)
    assert (answer.answer["photo"], answer.answer["frames"], answer.answer["film_s"]) == (str(film), 3, 2.0)
    assert [each["label"] for each in answer.answer["predictions"]] == ["red", "green"]
    assert answer.picture.shape == (48, 64, 3)
    assert np.abs(answer.picture.astype(int) - RED).max() < 12  # RGB, not BGR
    assert (len(answered), said) == (10, [])


@pytest.mark.parametrize(("every_s", "count"), [(0.25, 40), (1.0, 10), (3.0, 4), (60.0, 1)])
def test_frames_are_taken_by_the_time_of_the_film(
    classifier: FlowerClassifier, answered: list[np.ndarray], tmp_path: Path, every_s: float, count: int
) -> None:
    film = write_film(tmp_path / "film.avi", [plain(RED)] * 120, rate=12, codec="MJPG")
    run(classifier, film, every_s=every_s)
    assert len(answered) == count


def test_a_new_name_must_hold_for_three_frames(classifier: FlowerClassifier, tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    write_film(film, [plain(colour) for colour in [RED] * 5 + [BLUE] * 2 + [RED] * 5])
    assert names(run(classifier, film, frames=1)) == [("red", 2.0)]
    write_film(film, [plain(colour) for colour in [RED] * 5 + [BLUE] * 3 + [RED] * 2])
    assert names(run(classifier, film, frames=1)) == [("red", 2.0), ("blue", 7.0)]
    write_film(film, [plain(colour) for colour in [RED] * 2])
    assert run(classifier, film, frames=1) == []


def test_the_answer_is_that_of_the_mean_of_five_frames(classifier: FlowerClassifier, tmp_path: Path) -> None:
    # With blue from second 8 on, the mean is blue from second 10 on: three of five frames.
    film = write_film(tmp_path / "film.mp4", [plain(colour) for colour in [RED] * 8 + [BLUE] * 8])
    assert names(run(classifier, film)) == [("red", 2.0), ("blue", 12.0)]
    mixed = write_film(tmp_path / "mixed.mp4", [plain(colour) for colour in ([RED] * 3 + [BLUE] * 2) * 4])
    assert names(run(classifier, mixed)) == [("red", 2.0)]


def test_no_flower_must_hold_as_well_and_is_reported_once(classifier: FlowerClassifier, tmp_path: Path) -> None:
    colours = [RED] * 4 + [BLACK] * 2 + [RED] * 4 + [BLACK] * 6 + [RED] * 3
    film = write_film(tmp_path / "film.mp4", [plain(colour) for colour in colours])
    found = names(run(classifier, film, frames=1))
    assert found == [("red", 2.0), ("unfamiliar", 12.0), ("red", 18.0)]


def moving(count: int) -> Iterator[np.ndarray]:
    generator = np.random.default_rng(0)
    for index in range(count):
        picture = np.clip(generator.normal(90, 8, (120, 160, 3)), 0, 255).astype(np.uint8)
        picture[40:80, 2 * index : 2 * index + 40] = RED
        yield picture


def still(count: int) -> Iterator[np.ndarray]:
    generator = np.random.default_rng(0)
    for index in range(count):  # noise, and light that changes slowly
        yield np.clip(generator.normal(90 + index / 4, 8, (120, 160, 3)), 0, 255).astype(np.uint8)


def test_nothing_is_answered_while_nothing_moves(
    classifier: FlowerClassifier, answered: list[np.ndarray], tmp_path: Path
) -> None:
    run(classifier, write_film(tmp_path / "still.avi", still(120), rate=2, codec="MJPG"), on_motion=True)
    assert len(answered) == 0
    run(classifier, write_film(tmp_path / "moving.avi", moving(40), rate=2, codec="MJPG"), on_motion=True)
    assert len(answered) >= 15


def test_after_a_change_it_is_answered_until_the_answer_has_settled(
    classifier: FlowerClassifier, answered: list[np.ndarray], tmp_path: Path
) -> None:
    pictures = [plain((100, 100, 100))] * 60 + [plain(RED)] * 1 + [plain(BLUE)] * 120
    film = write_film(tmp_path / "film.avi", pictures, rate=2, codec="MJPG")
    answers = run(classifier, film, on_motion=True)
    assert names(answers)[-1][0] == "blue"
    assert names(answers)[0][1] >= 30
    assert len(answered) < 30  # of 90 seconds
    answered.clear()
    # A change of half a second between two frames that would be answered is not missed.
    short = [plain((100, 100, 100))] * 61 + [plain(BLACK)] + [plain((100, 100, 100))] * 61
    run(classifier, write_film(tmp_path / "short.avi", short, rate=2, codec="MJPG"), on_motion=True, every_s=20)
    assert len(answered) >= 1


def test_damaged_films(classifier: FlowerClassifier, tmp_path: Path) -> None:
    film = write_film(tmp_path / "film.avi", [*moving(60)], codec="MJPG")
    content = film.read_bytes()
    (tmp_path / "text.mp4").write_text("no film")
    with pytest.raises(FlowerError, match="not a film that is read"):
        run(classifier, tmp_path / "text.mp4")
    (tmp_path / "cut.avi").write_bytes(content[: len(content) // 2])
    said: list[str] = []
    assert run(classifier, tmp_path / "cut.avi", said)
    assert "of 60 seconds; the rest cannot be decoded" in said[0]
    noise = bytes(value ^ 0x55 for value in content[len(content) // 3 : len(content) // 2])
    (tmp_path / "noise.avi").write_bytes(content[: len(content) // 3] + noise + content[len(content) // 2 :])
    run(classifier, tmp_path / "noise.avi")


def test_a_stream_that_breaks_is_opened_again_and_said_once(
    classifier: FlowerClassifier, network_camera: NetworkCamera, short_pauses: None
) -> None:
    port = network_camera.switch_on()
    said: list[str] = []
    waits: list[int] = []
    settings = CameraSettings(f"http://gardener:s3cret@127.0.0.1:{port}/live?token=s3cret", every_s=0.02)

    def on_frame() -> None:
        waits.append(0)
        if outage and len(waits) > outage[0] + 30:  # many attempts, with pauses of 0.05 s at most
            outage.clear()
            network_camera.picture = plain(BLUE)
            network_camera.switch_on()

    outage: list[int] = []
    answers = answer_camera(classifier, settings, say=said.append, on_frame=on_frame)
    assert next(answers).answer["predictions"][0]["label"] == "red"
    network_camera.switch_off()
    outage.append(len(waits))
    answer = next(answers).answer
    answers.close()  # type: ignore[attr-defined]
    assert (answer["predictions"][0]["label"], answer["photo"]) == ("blue", f"http://127.0.0.1:{port}/…")
    assert len(said) == 2
    assert "it is tried again" in said[0]
    assert "frames arrive again" in said[1]
    assert "s3cret" not in repr((said, settings, answer))
    assert network_camera.refused  # user and password are sent when they are asked for


def test_a_stream_that_falls_silent_is_opened_again(
    classifier: FlowerClassifier,
    network_camera: NetworkCamera,
    short_pauses: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("runtime.services.camera.live_reader.NO_FRAME_S", 1.0)
    monkeypatch.setattr("runtime.services.camera.opencv_capture.TIMEOUT_MS", 2000)
    port = network_camera.switch_on()
    said: list[str] = []
    settings = CameraSettings(f"http://me:s3cret@127.0.0.1:{port}/", every_s=0.02)

    def say(line: str) -> None:
        said.append(line)
        network_camera.pausing.clear()
        network_camera.picture = plain(BLUE)

    answers = answer_camera(classifier, settings, say=say)
    next(answers)
    network_camera.pausing.set()
    assert next(answers).answer["predictions"][0]["label"] == "blue"
    answers.close()  # type: ignore[attr-defined]
    assert "no frame for 1 s; it is tried again" in said[0]


def test_what_cannot_be_opened_at_the_start_is_an_error(
    classifier: FlowerClassifier, network_camera: NetworkCamera
) -> None:
    port = network_camera.switch_on()
    network_camera.switch_off()
    with pytest.raises(FlowerError, match="cannot be opened; check address") as raised:
        run(classifier, f"http://me:s3cret@127.0.0.1:{port}/")
    assert raised.value.passing
    assert "s3cret" not in str(raised.value)
    with pytest.raises(FlowerError, match="/dev/video987: no such camera") as raised:
        run(classifier, "987")
    assert raised.value.passing
    with pytest.raises(FlowerError, match="not a device"):
        run(classifier, "/dev/fd")


def test_the_libraries_write_nothing(network_camera: NetworkCamera, tmp_path: Path) -> None:
    network_camera.switch_on()
    network_camera.switch_off()
    film = write_film(tmp_path / "film.avi", [*moving(60)], codec="MJPG")
    content = film.read_bytes()
    film.write_bytes(content[:9000] + bytes(3000) + content[12_000 : len(content) // 2])
    (tmp_path / "text.mp4").write_text("no film")
    model = str(save_tiny_model(tmp_path / "tiny.onnx"))
    sources = [film, tmp_path / "text.mp4", f"http://me:s3cret@127.0.0.1:{network_camera.port}/"]
    command = [sys.executable, "-c", QUIET, model, *map(str, sources)]
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("OPENCV", "FLOWER_EDGE_D"))}
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert (result.returncode, result.stderr) == (0, "")
    assert [line.partition(": ")[2].partition(" ")[0] for line in result.stdout.splitlines()] == [
        "ends", "damaged,", "cannot",
    ]  # fmt: skip


def test_missing_opencv(classifier: FlowerClassifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    film = write_film(tmp_path / "film.mp4", [plain(RED)])
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(FlowerError, match=r"pip install '\.\[camera\]'"):
        run(classifier, film)


def test_too_little_memory_leaves_out_a_frame(
    classifier: FlowerClassifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outputs, calls = classifier.outputs, iter(range(1000))

    def fails_twice(picture: Any) -> Outputs:
        if next(calls) in (1, 2):
            raise OutOfMemoryError("not enough memory")
        return outputs(picture)

    monkeypatch.setattr(classifier, "outputs", fails_twice)
    said: list[str] = []
    film = write_film(tmp_path / "film.mp4", [plain(RED)] * 8)
    assert names(run(classifier, film, said)) == [("red", 4.0)]
    assert said == [f"{film}: not enough memory; the frame is left out"]


def test_kept_frames(classifier: FlowerClassifier, tmp_path: Path) -> None:
    film = write_film(tmp_path / "film.mp4", [plain(RED)] * 4 + [plain(BLACK)] * 8)
    red, unfamiliar = run(classifier, film, keep=tmp_path / "kept")
    with Image.open(red.answer["photo"]) as image:
        assert (image.format, image.size) == ("JPEG", (64, 48))
        assert np.abs(np.asarray(image).astype(int) - RED).max() < 20
    assert Path(red.answer["photo"]).name.endswith("-red.jpg")
    assert Path(unfamiliar.answer["photo"]).name.endswith("-unfamiliar.jpg")
    assert len([*(tmp_path / "kept").iterdir()]) == 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"every_s": 0}, {"every_s": math.nan}, {"every_s": "1"}, {"frames": 0}, {"hold": True}, {"hold": 1.5},
        {"keep_bytes": 0}, {"top": 0}, {"source": ""}, {"source": "missing.mp4"},
    ],
)  # fmt: skip
def test_impossible_settings(wrong: dict[str, Any]) -> None:
    with pytest.raises(FlowerError):
        CameraSettings(**{"source": "0", **wrong})


QUIET = """
import sys
from runtime import FlowerClassifier, FlowerError
from runtime.services.camera.answer_camera import CameraSettings, answer_camera
classifier = FlowerClassifier(sys.argv[1])
for source in sys.argv[2:]:
    try:
        list(answer_camera(classifier, CameraSettings(source), say=print))
    except FlowerError as error:
        print(error)
"""

BLOCKED = """
import signal, sys, time
from runtime import FlowerClassifier
from runtime.services.camera import answer_camera as service
class Blocked:
    def grab(self):
        print("blocked", flush=True)
        time.sleep(10_000)
    def close(self):
        pass
service.open_with_opencv = lambda source: Blocked()
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
settings = service.CameraSettings("http://127.0.0.1:9/")
try:
    next(service.answer_camera(FlowerClassifier(sys.argv[1]), settings, say=print))
except KeyboardInterrupt:
    sys.exit(130)
"""


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_blocked_read_does_not_delay_the_end(tmp_path: Path, number: int, status: int) -> None:
    model = str(save_tiny_model(tmp_path / "tiny.onnx"))
    with subprocess.Popen(
        [sys.executable, "-c", BLOCKED, model], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        preexec_fn=enable_keyboard_interrupt,
    ) as process:  # fmt: skip
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"blocked\n"
            process.send_signal(number)
            assert process.wait(60) == status
        finally:
            process.kill()  # or a failure here would wait for it for ever
        assert process.stderr is not None
        assert process.stderr.read() == b""
