"""The camera service: frames in, an answer whenever the flower before the camera is another one."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np

from runtime.answers.answer import Answer, answer_to_dict, check_top
from runtime.classifier import FlowerClassifier
from runtime.errors import FlowerError, OutOfMemoryError
from runtime.services.camera.frames import Frame, film_frames, live_frames
from runtime.services.camera.kept_pictures import KeptPictures
from runtime.services.camera.motion import AFTER_MOTION_S, CHECK_S, MotionGate
from runtime.services.camera.opencv_capture import open_with_opencv, prepare_opencv
from runtime.services.camera.pi_capture import load_picamera2, open_pi_camera
from runtime.services.camera.sources import Source, parse_source
from runtime.services.camera.steady_answer import SteadyAnswer

SHORTEST_S, LONGEST_S = 0.02, 86_400.0
"""Limits of ``every_s``, seconds."""
MOST_FRAMES = 1000
"""Limit of ``frames`` and ``hold``."""
FORGET_S = 5.0
"""After a pause of more than this many seconds and of three times ``every_s``, older frames are left out."""


@dataclass(frozen=True)
class CameraSettings:
    """What is read and how it is answered.

    Raises:
        FlowerError: a value is impossible, or a film does not exist.
    """

    source: str = field(repr=False)  # may contain a password
    """See `runtime.services.camera.sources.parse_source`."""
    every_s: float = 1.0
    """Seconds between two frames that are answered; of a film, seconds of the film."""
    on_motion: bool = False
    """Whether frames are answered only while the picture changes, and some seconds after."""
    frames: int = 5
    """Frames whose mean is answered."""
    hold: int = 3
    """Frames in a row for which an answer must hold before it is reported."""
    keep: Path | None = None
    """A folder for the frames of the reported answers; None keeps none."""
    keep_bytes: int = 500_000_000
    """Most bytes of the kept frames."""
    top: int = 5
    """Classes in an answer."""

    def __post_init__(self) -> None:
        parse_source(self.source)
        if not isinstance(self.every_s, Real) or not SHORTEST_S <= self.every_s <= LONGEST_S:
            raise FlowerError(
                f"the seconds between frames must be {SHORTEST_S} to {LONGEST_S:.0f}, not {self.every_s!r}"
            )
        for name, value, most in (
            ("frames", self.frames, MOST_FRAMES),
            ("hold", self.hold, MOST_FRAMES),
            ("keep_bytes", self.keep_bytes, math.inf),
        ):
            if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
                limit = "" if most == math.inf else f" to {most}"
                raise FlowerError(f"{name} must be a whole number from 1{limit or ' up'}, not {value!r}")
        check_top(self.top)


@dataclass(frozen=True)
class CameraAnswer:
    """A reported answer."""

    answer: dict[str, Any]
    """JSON values, as `runtime.answers.answer.answer_to_dict` gives them. ``photo`` is the path of the kept frame, or
    the source's name. ``frames`` is the number of frames whose mean was answered. Of a film, ``film_s`` is the time of
    the last of them, seconds."""
    picture: np.ndarray = field(repr=False)
    """The last of the frames: uint8, shape (height, width, 3), RGB."""


def answer_camera(
    classifier: FlowerClassifier,
    settings: CameraSettings,
    *,
    say: Callable[[str], None],
    on_frame: Callable[[], None] | None = None,
) -> Iterator[CameraAnswer]:
    """Yield an answer each time the reported answer changes: until a film ends, of other sources for ever.

    The answer is that of the mean of several frames, and it is reported when it has been the same for ``hold`` frames
    in a row (`runtime.services.camera.steady_answer`). A live source that fails is opened again until it works. Ctrl-C
    ends the iteration at once, also while a read blocks.

    Args:
        classifier: names the flowers.
        settings: what is read and how.
        say: shows a line to the user: outages of the source, and pictures that cannot be kept. Each is said once.
        on_frame: is called when the first frame is there, and then regularly while frames arrive and during an outage,
            at least twice a second unless the network takes longer, also if no frame is answered. If it stays away
            later, the service hangs: it, or a read of the camera that has not returned for a minute
            (`runtime.services.camera.frames.STUCK_S`), which is said. Only a new process helps then.

    Raises:
        FlowerError: the source cannot be opened at the start (`runtime.services.camera.sources.CameraError` if it may
            work later), the library of the source is not installed, the folder of pictures cannot be made, or the model
            failed.
    """
    source = parse_source(settings.source)
    if source.kind == "picamera":
        load_picamera2()
    else:
        prepare_opencv(source)
    kept = None if settings.keep is None else KeptPictures(settings.keep, settings.keep_bytes, say)
    return _answers(classifier, settings, source, kept, say, on_frame or (lambda: None))


def _answers(
    classifier: FlowerClassifier,
    settings: CameraSettings,
    source: Source,
    kept: KeptPictures | None,
    say: Callable[[str], None],
    on_frame: Callable[[], None],
) -> Iterator[CameraAnswer]:
    steady = SteadyAnswer(classifier, frames=settings.frames, hold=settings.hold, top=settings.top)
    last = None
    lacks_memory = False
    for frame in _chosen_frames(settings, source, say, on_frame):
        if last is not None and frame.seconds - last > max(FORGET_S, 3 * settings.every_s):
            steady.forget()
        last = frame.seconds
        try:
            outputs = classifier.outputs(frame.picture)
        except OutOfMemoryError as error:
            if not lacks_memory:
                say(f"{source.name}: {error}; the frame is left out")
            lacks_memory = True
            continue
        lacks_memory = False
        answer = steady.add(outputs)
        if answer is not None:
            yield _camera_answer(answer, frame, steady.frames, source, kept)


def _chosen_frames(
    settings: CameraSettings, source: Source, say: Callable[[str], None], on_frame: Callable[[], None]
) -> Iterator[Frame]:
    """Yield the frames that are answered."""
    gate = None
    step_s = settings.every_s
    if settings.on_motion:
        # Long enough for an answer that no frame from before the change is part of, and that has held.
        after_s = max(AFTER_MOTION_S, (settings.frames + settings.hold) * settings.every_s)
        gate, step_s = MotionGate(settings.every_s, after_s), min(settings.every_s, CHECK_S)
    if source.kind == "film":
        frames = film_frames(source, step_s, say=say, on_frame=on_frame)
    else:
        open_capture = partial(open_pi_camera if source.kind == "picamera" else open_with_opencv, source)
        frames = live_frames(open_capture, source.name, step_s, say=say, on_frame=on_frame)
    for frame in frames:
        if gate is None or gate.opens(frame.seconds, frame.picture):
            yield frame


def _camera_answer(
    answer: Answer, frame: Frame, frames: int, source: Source, kept: KeptPictures | None
) -> CameraAnswer:
    path = None
    if kept is not None:
        path = kept.keep(frame.picture, answer.best.label if answer.verdict == "name" else answer.verdict)
    values = answer_to_dict(source.name if path is None else str(path), answer)
    values["frames"] = frames
    if source.kind == "film":
        values["film_s"] = round(frame.seconds, 3)
    return CameraAnswer(values, frame.picture)
