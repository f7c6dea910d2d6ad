"""TODO from runtime.photos.open_photo."""

import os
import stat
from pathlib import Path
from typing import BinaryIO

from runtime.errors import PhotoError
from runtime.photos.limits import MAX_BYTES


def file_descriptor(file: BinaryIO) -> int | None:
    try:
        return file.fileno()
    except (OSError, ValueError, AttributeError):
        return None


def read_stream(file: BinaryIO, name: str) -> bytes:
    parts, left = [], MAX_BYTES + 1
    try:
        # An unbuffered file, a pipe or a socket gives what it has, which need not be all.
        while left > 0 and (part := file.read(left)):
            if not isinstance(part, bytes):
                raise PhotoError(f"{name}: open the file in binary mode")
            parts.append(part)
            left -= len(part)
    except (OSError, ValueError) as error:
        raise PhotoError(f"{name}: cannot be read ({error})") from None
    return b"".join(parts)


def read_file(path: Path) -> bytes:
    try:
        # Opened without blocking, so that a FIFO nobody writes to is refused and not waited for.
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
