"""Cameras whose frames cannot be decoded or whose reads do not return, and when systemd is told that one is ready."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from runtime.command_line.flower_infer import main
from runtime.errors import FlowerError
from runtime.services.camera.frames import film_frames, live_frames
from runtime.services.camera.sources import CameraError, parse_source
from tests.runtime.services.camera.films import RED, plain, write_film
from tests.samples.tiny_model import save_tiny_model


@pytest.fixture(autouse=True)
def short_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.services.camera.frames.FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr("runtime.services.camera.frames.LONGEST_PAUSE_S", 0.05)
    monkeypatch.setattr("runtime.services.camera.frames.TICK_S", 0.02)
    monkeypatch.setattr("runtime.services.camera.live_reader.NO_FRAME_S", 1.0)


class StandIn:
    """A camera with a frame each 5 ms. It fails after many, so that no test waits for ever.

    Args:
        decodes: says whether the frame that was grabbed can be decoded.
        grab: is called for each frame.
    """

    def __init__(self, decodes: Callable[[], bool] = lambda: True, grab: Callable[[], None] = lambda: None) -> None:
        self._decodes, self._grab = decodes, grab
        self._left = 2000

    def grab(self) -> bool:
        time.sleep(0.005)
        self._left -= 1
        if not self._left:
            raise FlowerError("the stand-in has no more frames")
        self._grab()
        return True

    def retrieve(self) -> np.ndarray | None:
        return plain(RED) if self._decodes() else None

    def position_s(self) -> float:
        return 0.0

    def duration_s(self) -> float:
        return 0.0

    def frame_rate(self) -> float:
        return 25.0

    def close(self) -> None:
        pass


def test_a_camera_whose_frames_cannot_be_decoded_is_said_and_opened_again() -> None:
    good = threading.Event()
    said: list[str] = []
    opened: list[StandIn] = []

    def open_capture() -> StandIn:
        opened.append(StandIn(good.is_set))
        return opened[-1]

    def say(line: str) -> None:
        said.append(line)
        good.set()

    frames = live_frames(open_capture, "the camera", 0.01, say=say, on_frame=lambda: None)
    with pytest.raises(CameraError, match=r"^the camera: its frames cannot be decoded, for 1 s now; set the camera to"):
        next(frames)
    good.set()
    frames = live_frames(open_capture, "the camera", 0.01, say=say, on_frame=lambda: None)
    next(frames)
    good.clear()
    while len(said) < 2:
        next(frames)
    frames.close()  # type: ignore[attr-defined]
    assert said[0].startswith("the camera: its frames cannot be decoded")
    assert said[0].endswith("; it is tried again")
    assert "frames arrive again" in said[1]
    assert len(opened) >= 3


def test_single_frames_that_cannot_be_decoded_are_no_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.services.camera.live_reader.NO_FRAME_S", 2.0)
    attempts = iter(range(100_000))
    opened: list[StandIn] = []

    def open_capture() -> StandIn:
        opened.append(StandIn(lambda: next(attempts) % 3 == 0))
        return opened[-1]

    said: list[str] = []
    frames = live_frames(open_capture, "the camera", 0.01, say=said.append, on_frame=lambda: None)
    began = next(frames).seconds
    while next(frames).seconds < began + 2.5:  # longer than frames may stay undecoded
        pass
    frames.close()  # type: ignore[attr-defined]
    assert (said, len(opened)) == ([], 1)


def test_a_film_without_a_decoded_frame_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Film(StandIn):
        left = 5

        def grab(self) -> bool:
            self.left -= 1
            return self.left >= 0

    monkeypatch.setattr("runtime.services.camera.frames.open_with_opencv", lambda _: Film(lambda: False))
    (tmp_path / "film.mp4").touch()
    source = parse_source(str(tmp_path / "film.mp4"))
    with pytest.raises(FlowerError, match="not one frame of it can be decoded"):
        list(film_frames(source, 1.0, say=lambda _: None, on_frame=lambda: None))


def test_a_read_that_does_not_return_ends_the_signs_of_life(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.services.camera.frames.STUCK_S", 0.3)
    hangs, returned = threading.Event(), threading.Event()
    said: list[str] = []
    signs: list[tuple[int, bool]] = []  # the lines that were said before, and whether the read had returned

    def grab() -> None:
        if hangs.is_set():
            returned.wait(20)
            returned.set()

    def say(line: str) -> None:
        said.append(line)
        if "does not return" in line:
            threading.Timer(0.5, returned.set).start()  # many calls of on_frame would fall into this time

    def on_frame() -> None:
        signs.append((len(said), returned.is_set()))

    frames = live_frames(lambda: StandIn(grab=grab), "the camera", 0.01, say=say, on_frame=on_frame)
    next(frames)
    hangs.set()
    while len(said) < 3:
        next(frames)
    frames.close()  # type: ignore[attr-defined]
    assert "no frame for 1 s; it is tried again" in said[0]
    assert said[1] == "the camera: its driver does not return, so it cannot be opened again; restart the service"
    assert "frames arrive again" in said[2]
    assert (1, False) in signs  # during the outage
    assert (2, False) not in signs  # after the message
    assert (2, True) in signs  # the read has returned after all


def test_there_is_no_sign_of_life_before_the_source_is_open() -> None:
    opened = threading.Event()
    signs: list[bool] = []

    def open_capture() -> StandIn:
        time.sleep(0.2)  # of which `TICK_S` is a tenth
        opened.set()
        return StandIn()

    frames = live_frames(
        open_capture, "the camera", 0.01, say=lambda _: None, on_frame=lambda: signs.append(opened.is_set())
    )
    next(frames)
    assert signs == [True]  # it comes with the first frame
    next(frames)
    frames.close()  # type: ignore[attr-defined]
    assert len(signs) >= 2


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """A socket that receives what is sent to systemd."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as received:
        received.bind(str(tmp_path / "notify"))
        received.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield received


def messages(manager: socket.socket) -> list[bytes]:
    found = []
    while True:
        try:
            found.append(manager.recv(100))
        except BlockingIOError:
            return found


def test_the_service_is_ready_with_the_first_frame(tmp_path: Path, manager: socket.socket) -> None:
    model = str(save_tiny_model(tmp_path / "tiny.onnx"))
    film = write_film(tmp_path / "film.mp4", [plain(RED)] * 5)
    assert main(["--model", model, "--camera", str(film), "--on-motion"]) == 0
    assert messages(manager)[:2] == [b"READY=1", b"WATCHDOG=1"]
    (tmp_path / "text.mp4").write_text("no film")
    assert main(["--model", model, "--camera", str(tmp_path / "text.mp4")]) == 2
    assert messages(manager) == []


def test_a_live_service_is_ready_while_nothing_moves(
    tmp_path: Path, manager: socket.socket, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("cv2")
    left = [0]
    decoded = threading.Event()

    def decodes() -> bool:
        decoded.set()
        return True

    def grab() -> None:
        left[0] += decoded.is_set()
        if left[0] > 40:
            raise FlowerError("the end of the test")

    monkeypatch.setattr("runtime.services.camera.answer_camera.open_with_opencv", lambda _: StandIn(decodes, grab))
    model = str(save_tiny_model(tmp_path / "tiny.onnx"))
    assert main(["--model", model, "--camera", "http://127.0.0.1:9/", "--on-motion"]) == 2
    captured = capsys.readouterr()
    assert (captured.out, "the end of the test" in captured.err) == ("", True)
    assert messages(manager)[:2] == [b"READY=1", b"WATCHDOG=1"]
