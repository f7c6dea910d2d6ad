"""Reading the bytes of a photo from a path or a file object, up to a limit."""

import errno
import os
import re
import stat
from pathlib import Path
from typing import BinaryIO

from runtime.errors import (
    MissingPhotoError,
    OutOfMemoryError,
    PhotoError,
    TruncatedPhotoError,
    UnreadableError,
    says_too_little_memory,
)
from runtime.photos.limits import MAX_BYTES

PIECE_BYTES = 1024**2
"""Most bytes that are asked for at once from a file object, whose size is not known."""
ADDRESS = re.compile(r"(https?|ftp|file)://|data:image/", re.IGNORECASE)
"""How an address begins."""
SHOWN = 80
"""Most characters of an address in a message. One that holds the photo itself is long."""
FAULTS_OF_NAMES = frozenset(
    {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EINVAL, errno.ENXIO}
)
"""The system's errors that a path itself causes. Every other one can pass: whether a photo is good is known only when
its bytes are read."""


def read_photo(photo: str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO) -> tuple[bytes, str]:
    """Return the bytes of a photo, and its name for messages.

    Args:
        photo: a path, the bytes themselves, or a file object in binary mode.

    Raises:
        MissingPhotoError: there is no such file.
        PhotoError: the photo is larger than `MAX_BYTES`, or ``photo`` has another type.
        TruncatedPhotoError: there are no bytes.
        UnreadableError: the system cannot read it now.
    """
    name, advice = "the photo", ""
    if isinstance(photo, str | os.PathLike):
        name = os.fsdecode(photo)
        if is_address(name):
            raise PhotoError(
                f"{name[:SHOWN]}: addresses are not downloaded; download the photo and give its path or bytes"
            )
        content = _read_path(Path(photo))
    elif isinstance(photo, bytes | bytearray | memoryview):
        content = bytes(photo)
    elif hasattr(photo, "read"):
        if _file_descriptor(photo) == 0:
            name = "standard input"
        else:
            advice = ", or was read before; call seek(0)"
        content = _read_stream(photo, name)
    else:
        raise PhotoError(f"a photo is a path, bytes, a file, an image or an array, not {type(photo).__name__}")
    if not content:
        raise empty_file(name, advice)
    if len(content) > MAX_BYTES:
        raise too_large(name)
    return content, name


def is_address(name: str) -> bool:
    """Return whether ``name`` is no file but an address of the web."""
    return ADDRESS.match(name) is not None and not os.path.lexists(name)


def unreadable(name: str, error: OSError | ValueError | ImportError) -> PhotoError:
    """Return the error for a file or folder that the system cannot read.

    Args:
        name: of the photo or folder, for the message.
        error: what the system or Python said. It is an `ImportError` if a decoder cannot be loaded.

    Returns:
        An `OutOfMemoryError` if memory was refused, an `UnreadableError` if the reason may pass in another way,
        otherwise a `PhotoError`.
    """
    if says_too_little_memory(error):
        return not_enough_memory(name)
    number = getattr(error, "errno", None)
    passing = isinstance(error, ImportError) or (number is not None and number not in FAULTS_OF_NAMES)
    kind = UnreadableError if passing else PhotoError
    return kind(f"{name}: cannot be read ({getattr(error, 'strerror', None) or error})")


def _read_path(path: Path) -> bytes:
    """Return the content of a regular file, at most one byte more than `MAX_BYTES`."""
    try:
        with open(path, "rb", opener=open_without_waiting) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise PhotoError(f"{path}: not a file")
            # Python reserves as much memory as it is asked to read.
            return file.read(min(status.st_size, MAX_BYTES) + 1)
    except FileNotFoundError:
        raise MissingPhotoError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise PhotoError(f"{path}: is a folder, not a photo") from None
    except (OSError, ValueError) as error:
        raise unreadable(str(path), error) from None
    except MemoryError:
        raise not_enough_memory(str(path)) from None


def open_without_waiting(path: str, flags: int) -> int:
    """Open a file, and do not wait for a writer if it is a FIFO. For the parameter ``opener`` of `open`."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def too_large(name: str) -> PhotoError:
    """Return the error for a photo that is larger than `MAX_BYTES`."""
    return PhotoError(f"{name}: larger than {MAX_BYTES // 1024**2} MB; send a smaller copy")


def empty_file(name: str, advice: str = "") -> TruncatedPhotoError:
    """Return the error for a photo without any bytes.

    Args:
        name: of the photo.
        advice: follows the message.
    """
    return TruncatedPhotoError(f"{name}: the file is empty{advice}")


def not_enough_memory(name: str) -> OutOfMemoryError:
    """Return the error for a photo that the memory does not suffice for now."""
    return OutOfMemoryError(f"{name}: not enough memory; close other programs, or send a smaller copy")


def _read_stream(file: BinaryIO, name: str) -> bytes:
    """Return the rest of a binary file object, at most one byte more than `MAX_BYTES`."""
    parts, remaining = [], MAX_BYTES + 1
    try:
        # One read from an unbuffered file, a pipe or a socket may return only a part.
        while remaining > 0 and (part := file.read(min(remaining, PIECE_BYTES))):
            if not isinstance(part, bytes):
                raise PhotoError(f"{name}: open the file in binary mode")
            parts.append(part)
            remaining -= len(part)
        return b"".join(parts)
    except (OSError, ValueError) as error:
        raise unreadable(name, error) from None
    except MemoryError:
        raise not_enough_memory(name) from None


def _file_descriptor(file: BinaryIO) -> int | None:
    """Return the descriptor of a file object, or None if it has none."""
    try:
        return file.fileno()
    except (OSError, ValueError, AttributeError):
        return None
