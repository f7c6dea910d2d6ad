"""A thread that reads a live source without a pause, so that a frame is always about now."""

import threading
import time
from collections.abc import Callable

import numpy as np

from runtime.errors import FlowerError
from runtime.services.camera.sources import CameraError, Capture

NO_FRAME_S = 10.0
"""A source counts as failed when no frame came, or none could be decoded, for this many seconds."""
OPENING_S = 20.0
"""Seconds that opening and the first frame may take."""


class LiveReader:
    """Reads a source in a thread and hands over its newest frame on request.

    Each frame is taken from the source, so that no buffer fills and lags behind. Only a frame that was asked for is
    converted to pixels, which saves most of the work. The thread is a daemon: a read that blocks does not delay the end
    of the process.

    Args:
        open_capture: opens the source; is called in the thread.
        name: of the source, for messages.
    """

    def __init__(self, open_capture: Callable[[], Capture], name: str) -> None:
        self._open, self._name = open_capture, name
        self._changed = threading.Condition()
        # What follows is guarded by the condition.
        self._stopping = False
        self._wanted = False
        self._picture: np.ndarray | None = None
        self._problem: FlowerError | None = None
        self._last_frame: float | None = None  # decoded or not
        self._undecoded_since: float | None = None  # when the first wanted frame after a decoded one was not decoded
        self._started = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="camera", daemon=True)
        self._thread.start()

    def newest(self, timeout_s: float) -> np.ndarray | None:
        """Return the next frame that the source gives: uint8, shape (height, width, 3), RGB. None after ``timeout_s``.

        After None, the request stays: a later call may return a frame that was taken in the meantime, at once.
        """
        with self._changed:
            if self._picture is None:
                self._wanted = True
                self._changed.wait_for(lambda: self._picture is not None or self._problem is not None, timeout_s)
            picture, self._picture = self._picture, None
            return picture

    def problem(self) -> FlowerError | None:
        """Return why the source gives no frames; None while it works or is being opened."""
        with self._changed:
            if self._problem is not None:
                return self._problem
            now = time.monotonic()
            if self._last_frame is None:
                late = now - self._started > OPENING_S
                return CameraError(f"{self._name}: no frame {OPENING_S:.0f} s after it was opened") if late else None
            if now - self._last_frame > NO_FRAME_S:
                return CameraError(f"{self._name}: no frame for {NO_FRAME_S:.0f} s")
            if self._undecoded_since is not None and now - self._undecoded_since > NO_FRAME_S:
                return CameraError(
                    f"{self._name}: its frames cannot be decoded, for {NO_FRAME_S:.0f} s now; set the camera to another"
                    " format, such as MJPEG or H.264 with 8 bits"
                )
            return None

    def stop(self) -> None:
        """Let the thread release the source as soon as its read returns. Does not wait for it."""
        with self._changed:
            self._stopping = True

    def has_ended(self) -> bool:
        """Return whether the thread has released the source."""
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            capture = self._open()
            try:
                self._read(capture)
            finally:
                capture.close()
        except FlowerError as error:
            self._fail(error)
        except Exception as error:  # OpenCV's, libcamera's and picamera2's errors have no common base
            # Not the text of the error: a library may put the address with its password into it.
            self._fail(CameraError(f"{self._name}: reading failed ({type(error).__name__})"))

    def _read(self, capture: Capture) -> None:
        while True:
            if not capture.grab():
                raise CameraError(f"{self._name}: gives no more frames")
            with self._changed:
                if self._stopping:
                    return
                self._last_frame = time.monotonic()
                wanted = self._wanted
            if not wanted:
                continue
            picture = capture.retrieve()
            with self._changed:
                if picture is None:
                    if self._undecoded_since is None:
                        self._undecoded_since = time.monotonic()
                else:
                    self._picture, self._wanted, self._undecoded_since = picture, False, None
                    self._changed.notify_all()

    def _fail(self, error: FlowerError) -> None:
        with self._changed:
            self._problem = error
            self._changed.notify_all()
