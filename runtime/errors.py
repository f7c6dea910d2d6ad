"""The errors that this project raises on purpose.

Each is a `FlowerError`. Its message is one line for the user: what is wrong and what to do next. Command lines print
it and exit with a status other than 0, without a traceback.
"""

import os

DEBUG_VARIABLE = "FLOWER_EDGE_DEBUG"
"""The environment variable that asks for tracebacks of all errors and for the messages of libraries."""


MEMORY_WORDS = (
    "bad_alloc", "AllocateRaw", "allocate memory", "out of memory", "Out of memory", "can't start new thread",
    "pthread_create failed", "failed to map segment", "without exception set", "without setting an exception",
)  # fmt: skip
"""How libraries say that memory was refused: C++, onnxruntime, the system, Pillow, its decoders, threads of Python and
of onnxruntime, the loader, and Python itself where it could not even make an exception."""


def debugging() -> bool:
    """Return whether `DEBUG_VARIABLE` is set to something other than ``0``."""
    return os.environ.get(DEBUG_VARIABLE, "0") not in ("", "0")


class FlowerError(Exception):
    """Base class of all errors that are raised on purpose. ``str(error)`` is one line."""

    passing = False
    """Whether the cause may pass, so that the same call may work later: too little memory, a disk that fails, a missing
    permission. It is false if the input is at fault."""
    kind = "error"
    """One word for this kind of error, to count by."""

    def __init__(self, message: str) -> None:
        # File names may contain newlines, and the message must stay on one line.
        super().__init__(" ".join(message.split()))


class PhotoError(FlowerError):
    """A photo cannot be read: it is missing, damaged or too large, or its format is not supported."""

    kind = "refused"


class MissingPhotoError(PhotoError):
    """There is no file of this name."""

    kind = "missing"


class UnreadableError(PhotoError):
    """A file exists but cannot be read now, which is not its own fault: permissions, a disk, a missing package."""

    kind = "unreadable"
    passing = True


class DamagedPhotoError(PhotoError):
    """The bytes of a photo cannot be decoded."""

    kind = "damaged"


class TruncatedPhotoError(DamagedPhotoError):
    """The bytes of a photo end before the picture does. A file that is still being written looks like this."""

    kind = "truncated"


class ModelError(FlowerError):
    """A model file cannot be used: it is missing, damaged, or not made by ``python -m export``."""


class DeviceError(FlowerError):
    """A device cannot be used by the installed onnxruntime."""


class OutOfMemoryError(PhotoError, ModelError):
    """The memory does not suffice for a photo or the model now. Later, or on another machine, the same may work.

    It is a `PhotoError` and a `ModelError`, because it can come from whatever raises one of these.
    """

    kind = "memory"
    passing = True


class UnexpectedError(PhotoError):
    """An error that this project did not expect: a fault of its own or of a library."""

    kind = "unexpected"
    passing = True


class KilledError(PhotoError):
    """The process that answered a photo was ended by the system: no memory was left, or a decoder crashed."""

    kind = "killed"
    passing = True


def says_too_little_memory(error: BaseException) -> bool:
    """Return whether an exception of Python or of a library means that memory was refused."""
    text = str(error)
    return isinstance(error, MemoryError) or any(words in text for words in MEMORY_WORDS)
