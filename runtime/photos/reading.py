"""Reading the bytes of a photo from a path or a file object, up to a limit."""

import os
import stat
from pathlib import Path
from typing import BinaryIO

from runtime.errors import PhotoError
from runtime.photos.limits import MAX_BYTES


def read_file(path: Path) -> bytes:
    """Return the content of a file, at most one byte more than `MAX_BYTES`.

    Raises:
        PhotoError: the file does not exist, cannot be read, or is no regular file.
    """
    try:
        # Non-blocking, so that a FIFO without a writer is refused instead of waited for.
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with os.fdopen(handle, "rb") as file:
            kind = os.fstat(file.fileno()).st_mode
            if not stat.S_ISREG(kind):
                raise PhotoError(f"{path}: not a file")
            return file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise PhotoError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise PhotoError(f"{path}: is a folder, not a photo") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise PhotoError(f"{path}: cannot be read ({reason})") from None


def read_stream(file: BinaryIO, name: str) -> bytes:
    """Return the rest of a binary file object, at most one byte more than `MAX_BYTES`.

    Args:
        file: opened in binary mode.
        name: for messages.

    Raises:
        PhotoError: the file cannot be read or is in text mode.
    """
    parts, remaining = [], MAX_BYTES + 1
    try:
        # One read from an unbuffered file, a pipe or a socket may return only a part.
        while remaining > 0 and (part := file.read(remaining)):
            if not isinstance(part, bytes):
                raise PhotoError(f"{name}: open the file in binary mode")
            parts.append(part)
            remaining -= len(part)
    except (OSError, ValueError) as error:
        raise PhotoError(f"{name}: cannot be read ({error})") from None
    return b"".join(parts)


def file_descriptor(file: BinaryIO) -> int | None:
    """Return the descriptor of a file object, or None if it has none."""
    try:
        return file.fileno()
    except (OSError, ValueError, AttributeError):
        return None
