"""The sources of frames, by name: a camera, the Raspberry Pi's own camera, a stream, or a film file."""

import re
import stat
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol
from urllib.parse import urlsplit

import numpy as np

from runtime.errors import FlowerError

SCHEMES = ("rtsp", "rtsps", "http", "https", "rtmp")
"""The schemes of addresses that are opened."""
LONGEST_ADDRESS = 2048
"""Most characters of an address."""
MAX_FRAME_PIXELS = 16_000_000
"""Most pixels of a frame. 4K video has 8.3 million. A frame takes 3 bytes a pixel, and a few copies exist at a time."""


class CameraError(FlowerError):
    """A source of frames cannot be opened or gives no frames now. Later, the same source may work."""

    passing = True


class Capture(Protocol):
    """An open source. All calls come from one thread."""

    def grab(self) -> bool:
        """Wait for the next frame. Return False if there is none: the source has ended or failed."""

    def retrieve(self) -> np.ndarray | None:
        """Return the frame that was grabbed: uint8, shape (height, width, 3), RGB. None if it cannot be decoded.

        Raises:
            CameraError: the frame is too large.
        """

    def close(self) -> None:
        """Release the source."""


@dataclass(frozen=True)
class Source:
    """Where frames come from."""

    kind: Literal["device", "picamera", "stream", "film"]
    target: str = field(repr=False)
    """The path of a device or film, the number of a camera, or an address, which may contain a password."""
    name: str
    """For messages and answers. It contains no password."""


def parse_source(text: str) -> Source:
    """Return the source that ``text`` names.

    Args:
        text: a number, a path below ``/dev``, ``picamera`` or ``picamera:N``, an address with a scheme of `SCHEMES`, or
            the path of a film.

    Raises:
        FlowerError: ``text`` is none of these, or the film is no file.
    """
    if not isinstance(text, str) or not text or "\0" in text:
        raise FlowerError("a camera is a number, a device, an address or a film; for example --camera 0")
    if re.fullmatch(r"[0-9]{1,3}", text):
        number = int(text)
        # On Linux a number is the number of the device file.
        path = f"/dev/video{number}" if sys.platform == "linux" else str(number)
        return Source("device", path, path if sys.platform == "linux" else f"camera {number}")
    if (match := re.fullmatch(r"picamera(?::([0-9]{1,2}))?", text)) is not None:
        return Source("picamera", match[1] or "0", f"picamera:{match[1] or 0}")
    if "://" in text:
        return Source("stream", text, address_name(text))
    if text.startswith("/dev/"):
        return Source("device", text, text)
    # An absolute path cannot be taken for one of FFmpeg's protocols, such as concat:, whatever the file is called.
    path = str(Path(text).absolute())
    check_film(path)
    return Source("film", path, path)


def address_name(address: str) -> str:
    """Return scheme, host and port of ``address``, for messages. Paths and queries of cameras contain secrets, too.

    Raises:
        FlowerError: it is not an address that is opened. The message does not repeat it.
    """
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise FlowerError(
            "the address of the camera is not valid; write it as rtsp://USER:PASSWORD@HOST/PATH"
        ) from None
    if parts.scheme not in SCHEMES:
        scheme = parts.scheme if parts.scheme.isalnum() else "this"
        raise FlowerError(f"{scheme} is not a scheme of a camera's address; use one of {', '.join(SCHEMES)}")
    # FFmpeg reads options after a space in some addresses.
    is_plain = all(character.isprintable() and character not in ' \\"<>' for character in address)
    if not host or not is_plain or len(address) > LONGEST_ADDRESS or re.fullmatch(r"[A-Za-z0-9._:-]+", host) is None:
        raise FlowerError("the address of the camera is not valid; write it as rtsp://USER:PASSWORD@HOST/PATH")
    place = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{place}{'' if port is None else f':{port}'}/…"


def check_film(path: str) -> None:
    """Raise `FlowerError` unless ``path`` is a regular file."""
    try:
        mode = Path(path).stat().st_mode
    except OSError as error:
        raise FlowerError(f"{path}: no such film ({error.strerror}); check the path") from None
    if not stat.S_ISREG(mode):
        raise FlowerError(f"{path}: not a film; give a file, a device below /dev, a number or an address")


def check_frame_size(width: int, height: int, name: str) -> None:
    """Raise `CameraError` if frames of this size, pixels, are larger than `MAX_FRAME_PIXELS`."""
    if width * height > MAX_FRAME_PIXELS:
        raise CameraError(
            f"{name}: its frames have {width} × {height} pixels, more than {MAX_FRAME_PIXELS // 1_000_000} million; "
            "choose a smaller size in the camera, or its second stream"
        )
