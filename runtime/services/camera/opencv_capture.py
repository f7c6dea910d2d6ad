"""Reading frames with OpenCV: USB cameras through V4L2, streams and films through FFmpeg."""

import os
import stat
import sys
from pathlib import Path
from typing import Any

import numpy as np

from runtime.distribution import install_command
from runtime.errors import FlowerError, debugging
from runtime.services.camera.sources import CameraError, Source, check_film, check_frame_size

OPTIONS_VARIABLE = "OPENCV_FFMPEG_CAPTURE_OPTIONS"
"""The environment variable through which OpenCV hands options to FFmpeg. A value of the user's stays."""
FILM_FORMATS = "mov,matroska,avi,mpegts,mpeg,mpegvideo,flv,asf,ogg,h264,hevc,mjpeg"
STREAM_FORMATS = f"rtsp,rtp,sdp,mpjpeg,hls,aac,{FILM_FORMATS}"
"""The containers that FFmpeg may open, by its names. It knows hundreds. Some of them, such as concat, name other files,
and rare ones are a risk with files from elsewhere."""
STREAM_PROTOCOLS = "rtsp,rtsps,rtp,srtp,rtmp,http,https,httpproxy,tcp,tls,udp,crypto"
OPTIONS = {
    "film": f"format_whitelist;{FILM_FORMATS}|protocol_whitelist;file",
    # TCP loses no packets. With UDP, which FFmpeg tries first, large frames are often damaged.
    "stream": f"format_whitelist;{STREAM_FORMATS}|protocol_whitelist;{STREAM_PROTOCOLS}|rtsp_transport;tcp",
}
"""Kind of source → FFmpeg's options in OpenCV's notation. No address leads to a local file, and no film to an
address."""
TIMEOUT_MS = 10_000
"""Longest time that opening a stream, or waiting for its next packet, blocks, milliseconds."""


def load_opencv() -> Any:
    """Import OpenCV without its messages on standard error, which `debugging` brings back.

    Raises:
        FlowerError: it is not installed.
    """
    if not debugging():
        # Both are read once, when the library first needs them.
        os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
        os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    try:
        import cv2
    except ModuleNotFoundError:
        raise FlowerError(f"--camera needs OpenCV; run: {install_command('camera')}") from None
    except ImportError as error:
        raise FlowerError(f"OpenCV is installed but cannot be loaded ({error}); install it again") from None
    return cv2


def prepare_opencv(source: Source) -> None:
    """Load OpenCV and set FFmpeg's options for ``source``. Call it before threads of this process open the source.

    Raises:
        FlowerError: OpenCV is not installed.
    """
    load_opencv()
    if source.kind in OPTIONS and os.environ.get(OPTIONS_VARIABLE) in (None, *OPTIONS.values()):
        os.environ[OPTIONS_VARIABLE] = OPTIONS[source.kind]


def open_with_opencv(source: Source) -> "OpenCvCapture":
    """Open a device, a stream or a film, after `prepare_opencv`. A stream may block for `TIMEOUT_MS`.

    Raises:
        CameraError: a device or stream cannot be opened now, or its frames are too large.
        FlowerError: a film is missing or damaged, or a path is no device.
    """
    cv2 = load_opencv()
    if source.kind == "device":
        capture = _open_device(cv2, source)
    elif source.kind == "stream":
        timeouts = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, TIMEOUT_MS, cv2.CAP_PROP_READ_TIMEOUT_MSEC, TIMEOUT_MS]
        capture = cv2.VideoCapture(source.target, cv2.CAP_FFMPEG, timeouts)
    else:
        check_film(source.target)
        capture = cv2.VideoCapture(source.target, cv2.CAP_FFMPEG)
    if not capture.isOpened():
        raise _not_opened(source)
    try:
        width, height = capture.get(cv2.CAP_PROP_FRAME_WIDTH), capture.get(cv2.CAP_PROP_FRAME_HEIGHT)
        check_frame_size(int(width), int(height), source.name)
    except CameraError:
        capture.release()
        raise
    return OpenCvCapture(cv2, capture, source.name)


def _open_device(cv2: Any, source: Source) -> Any:
    if sys.platform != "linux":
        return cv2.VideoCapture(int(source.target) if source.target.isdigit() else source.target, cv2.CAP_ANY)
    device = Path(source.target)
    try:
        if not stat.S_ISCHR(device.stat().st_mode):
            raise FlowerError(f"{device}: not a device; ls /dev/video* shows the cameras")
    except OSError:
        raise CameraError(
            f"{device}: no such camera; ls /dev/video* shows those that are there; the Pi's own is picamera"
        ) from None
    if not os.access(device, os.R_OK | os.W_OK):
        raise CameraError(f"{device}: no permission; run: sudo usermod -aG video USER, and log in again")
    return cv2.VideoCapture(str(device), cv2.CAP_V4L2)


def _not_opened(source: Source) -> FlowerError:
    if source.kind == "film":
        return FlowerError(f"{source.name}: damaged, or not a film that is read; save it as MP4 or AVI")
    if source.kind == "stream":
        return CameraError(f"{source.name}: cannot be opened; check address, user, password and network")
    return CameraError(
        f"{source.name}: gives no pictures; another program may use it, or it is no camera (the Pi's own is picamera)"
    )


class OpenCvCapture:
    """A `runtime.services.camera.sources.Capture` of OpenCV.

    Args:
        cv2: the module.
        capture: an open ``cv2.VideoCapture``.
        name: for messages.
    """

    def __init__(self, cv2: Any, capture: Any, name: str) -> None:
        self._cv2, self._capture, self._name = cv2, capture, name

    def grab(self) -> bool:
        """Wait for the next frame; False if there is none."""
        return bool(self._capture.grab())

    def retrieve(self) -> np.ndarray | None:
        """Return the frame that was grabbed: uint8, shape (height, width, 3), RGB. None if it cannot be decoded."""
        good, frame = self._capture.retrieve()
        if not good or frame is None or frame.size == 0 or frame.dtype != np.uint8:
            return None
        check_frame_size(frame.shape[1], frame.shape[0], self._name)  # a stream may change its size
        if frame.ndim == 2 or frame.shape[2] == 1:  # an infrared camera
            return np.repeat(frame.reshape(*frame.shape[:2], 1), 3, axis=2)
        return np.ascontiguousarray(frame[:, :, 2::-1])  # OpenCV's order is BGR

    def position_s(self) -> float:
        """Return the time of the grabbed frame from the beginning of the film, seconds."""
        return float(self._capture.get(self._cv2.CAP_PROP_POS_MSEC)) / 1000

    def duration_s(self) -> float:
        """Return how long the film's header says that it is, seconds; 0 if it does not say."""
        frames, rate = (self._capture.get(each) for each in (self._cv2.CAP_PROP_FRAME_COUNT, self._cv2.CAP_PROP_FPS))
        return float(frames / rate) if frames > 0 and rate > 0 else 0.0

    def frame_rate(self) -> float:
        """Return the frames a second that the film's header says; 25 if it does not say."""
        rate = float(self._capture.get(self._cv2.CAP_PROP_FPS))
        return rate if 0 < rate < 1000 else 25.0

    def close(self) -> None:
        """Release the source."""
        self._capture.release()
