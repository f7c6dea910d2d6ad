"""Frames with their times: of a film as fast as they can be used, of a live source the newest one."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from runtime.errors import FlowerError
from runtime.services.camera.live_reader import LiveReader
from runtime.services.camera.opencv_capture import open_with_opencv
from runtime.services.camera.sources import Capture, Source

FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0
"""Seconds before a source that failed is opened again. Each pause is twice as long as the one before."""
TICK_S = 0.5
"""Longest time between two calls of ``on_frame`` while a frame is waited for, seconds."""
STUCK_S = 60.0
"""Seconds that the thread of a source that failed may take to release it. After them ``on_frame`` is not called."""
CUT_OFF = 0.9
"""A film that ends before this share of the length in its header is said to be incomplete."""
TOLERANCE_S = 0.001
"""Times of frames are rounded in films; a frame that is due within this time is taken."""


@dataclass(frozen=True)
class Frame:
    """A frame that is to be looked at."""

    seconds: float
    """From the beginning of a film, or by the clock of this process. It only grows."""
    picture: np.ndarray
    """uint8, shape (height, width, 3), RGB."""


class Rhythm:
    """Says which frames are due: one in each interval of ``step_s`` seconds.

    Args:
        step_s: seconds.
    """

    def __init__(self, step_s: float) -> None:
        self.step_s = step_s
        self._due: float | None = None

    def wait_s(self, now: float) -> float:
        """Return the seconds until a frame is due; 0 if one is due now."""
        return 0.0 if self._due is None else max(0.0, self._due - TOLERANCE_S - now)

    def take(self, now: float) -> None:
        """Record that a frame was taken. If several intervals were missed, only one frame is due for them."""
        due = now if self._due is None else self._due
        self._due = due + self.step_s * (math.floor((now + TOLERANCE_S - due) / self.step_s) + 1)


def film_frames(
    source: Source, step_s: float, *, say: Callable[[str], None], on_frame: Callable[[], None]
) -> Iterator[Frame]:
    """Yield a frame of each ``step_s`` seconds of a film, by the film's time stamps, until it ends.

    Args:
        source: a film.
        step_s: seconds of the film.
        say: shows a line to the user: that the film is cut off.
        on_frame: is called for each frame of the film.

    Raises:
        FlowerError: the film is missing or damaged, no frame can be decoded, or its frames are too large.
    """
    capture = open_with_opencv(source)
    rhythm = Rhythm(step_s)
    count, seconds = 0, 0.0
    decoded = False
    try:
        while capture.grab():
            on_frame()
            seconds = _film_time(capture.position_s(), seconds, count, capture.frame_rate())
            count += 1
            if rhythm.wait_s(seconds) == 0.0 and (picture := capture.retrieve()) is not None:
                decoded = True
                rhythm.take(seconds)
                yield Frame(seconds, picture)
        if not decoded:
            raise FlowerError(f"{source.name}: not one frame of it can be decoded; save it as MP4 or AVI")
        if seconds < CUT_OFF * (duration := capture.duration_s()) - 1:
            say(f"{source.name}: ends after {seconds:.0f} of {duration:.0f} seconds; the rest cannot be decoded")
    finally:
        capture.close()


def _film_time(position: float, before: float, count: int, rate: float) -> float:
    """Return the time of a frame. Films without time stamps, and damaged ones, are counted by their frame rate."""
    if not count:
        return position if math.isfinite(position) and position > 0 else 0.0
    return position if math.isfinite(position) and before < position < before + 3600 else before + 1 / rate


def live_frames(
    open_capture: Callable[[], Capture],
    name: str,
    step_s: float,
    *,
    say: Callable[[str], None],
    on_frame: Callable[[], None],
) -> Iterator[Frame]:
    """Yield the newest frame every ``step_s`` seconds, for ever. A source that fails is opened again until it works.

    Args:
        open_capture: opens the source. It runs in a thread.
        name: of the source, for messages.
        step_s: seconds.
        say: shows a line to the user when an outage begins, when it ends, and when a driver does not return.
        on_frame: is called when the first frame is there, and from then on at least every `TICK_S`, during an outage as
            well, but not while the consumer works. It is not called while the source is opened at the start, and not
            after the thread of a source that failed has been blocked for `STUCK_S`: only a new process helps then.

    Raises:
        FlowerError: the source cannot be opened at the start, or cannot be used for a reason that does not pass.
    """
    rhythm = Rhythm(step_s)
    reader = LiveReader(open_capture, name)
    pause = FIRST_PAUSE_S
    began = working_since = outage_since = None
    try:
        while True:
            if began is not None:
                on_frame()
            now = time.monotonic()
            if (problem := reader.problem()) is not None:
                if began is None or not problem.passing:
                    raise problem
                if outage_since is None:
                    outage_since = now
                    say(f"{problem}; it is tried again")
                # A source that breaks again soon after it came back gets longer pauses.
                if working_since is not None and now - working_since >= LONGEST_PAUSE_S:
                    pause = FIRST_PAUSE_S
                working_since = None
                reader.stop()
                _wait(now + pause, reader, name, say, on_frame)
                pause = min(2 * pause, LONGEST_PAUSE_S)
                reader = LiveReader(open_capture, name)
            elif (wait := rhythm.wait_s(now)) > 0:
                time.sleep(min(wait, TICK_S))
            elif (picture := reader.newest(TICK_S)) is not None:
                now = time.monotonic()
                if outage_since is not None:
                    say(f"{name}: frames arrive again, after {now - outage_since:.0f} s")
                    outage_since = None
                if began is None:
                    began = now
                    on_frame()
                working_since = working_since or now
                rhythm.take(now)
                yield Frame(now, picture)
    finally:
        reader.stop()


def _wait(
    until: float, reader: LiveReader, name: str, say: Callable[[str], None], on_frame: Callable[[], None]
) -> None:
    """Wait until a time of the clock, and for the end of a thread that still uses the source."""
    stuck_at = time.monotonic() + STUCK_S
    is_said = False
    while (now := time.monotonic()) < until or not reader.has_ended():
        if now < stuck_at or reader.has_ended():
            on_frame()
        elif not is_said:
            say(f"{name}: its driver does not return, so it cannot be opened again; restart the service")
            is_said = True
        time.sleep(max(0.0, min(TICK_S, until - time.monotonic())) or TICK_S)
