"""Reading frames of the Raspberry Pi's own camera with picamera2, which Raspberry Pi OS installs for the system.

Written after picamera2's documentation and not run on a Raspberry Pi.
"""

from contextlib import suppress
from importlib import import_module
from typing import Any

import numpy as np

from runtime.errors import FlowerError
from runtime.services.camera.sources import CameraError, Source

SIZE = (1024, 768)
"""Width and height of a frame, pixels: the shape of the cameras' sensors. The network sees 224 × 224 pixels of it."""
FORMAT = "BGR888"
"""picamera2's name of the format whose arrays have the order R, G, B; its names say the order in a word of memory."""
TIMEOUT_S = 10.0
"""Longest time that waiting for a frame blocks, seconds. Old versions of picamera2 may wait without end."""


def load_picamera2() -> Any:
    """Import picamera2.

    Raises:
        FlowerError: it is not installed.
    """
    try:
        return import_module("picamera2")
    except Exception as error:
        if not isinstance(error, ImportError):  # as with a numpy that it was not built for
            raise FlowerError(
                f"picamera2 is installed and does not start ({error}); if it speaks of numpy, run: "
                "pip install 'numpy<2'"
            ) from None
        raise FlowerError(
            "the Pi's own camera needs picamera2; run: sudo apt install python3-picamera2; and make the virtual "
            "environment with --system-site-packages"
        ) from None


def open_pi_camera(source: Source) -> "PiCapture":
    """Open and start the camera whose number is the target of ``source``.

    Raises:
        CameraError: there is no such camera, or it cannot be started now.
        FlowerError: picamera2 is not installed.
    """
    picamera2 = load_picamera2()
    number = int(source.target)
    found = len(picamera2.Picamera2.global_camera_info())
    if number >= found:
        raise CameraError(f"{source.name}: no such camera ({found} found); rpicam-hello --list-cameras shows them")
    camera = None
    try:
        camera = picamera2.Picamera2(number)
        camera.configure(camera.create_video_configuration(main={"size": SIZE, "format": FORMAT}))
        camera.start()
    except Exception as error:  # libcamera's errors are RuntimeError, picamera2's of several types
        if camera is not None:
            with suppress(Exception):
                camera.close()
        raise CameraError(
            f"{source.name}: cannot be started ({error}); another program may use it, or its cable is loose"
        ) from None
    return PiCapture(camera)


class PiCapture:
    """A `runtime.services.camera.sources.Capture` of picamera2.

    Args:
        camera: a ``Picamera2`` that was started with `FORMAT`.
    """

    def __init__(self, camera: Any) -> None:
        self._camera = camera

    def grab(self) -> bool:
        """Wait for the next frame, without copying its pixels."""
        self._camera.capture_metadata(wait=TIMEOUT_S)
        return True

    def retrieve(self) -> np.ndarray | None:
        """Return the next frame: uint8, shape (height, width, 3), RGB. None if it has another shape or dtype."""
        frame = np.asarray(self._camera.capture_array("main", wait=TIMEOUT_S))
        return np.ascontiguousarray(frame[:, :, :3]) if frame.ndim == 3 and frame.dtype == np.uint8 else None

    def close(self) -> None:
        """Stop the camera and release it."""
        with suppress(Exception):
            self._camera.stop()
        with suppress(Exception):
            self._camera.close()
