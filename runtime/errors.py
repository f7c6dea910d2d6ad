"""The errors that this project raises on purpose.

Each is a `FlowerError`. Its message is one line for the user: what is wrong and what to do next. Command lines print
it and exit with a status other than 0, without a traceback.
"""

MEMORY_WORDS = ("bad_alloc", "AllocateRaw", "allocate memory", "can't start new thread", "failed to map segment")
"""How libraries say that memory was refused: C++, onnxruntime, the system, Python's threads, and the loader."""


class FlowerError(Exception):
    """Base class of all errors that are raised on purpose. ``str(error)`` is one line."""

    def __init__(self, message: str) -> None:
        # File names may contain newlines, and the message must stay on one line.
        super().__init__(" ".join(message.split()))


class NotEnoughMemoryError(FlowerError):
    """The memory of this machine, or what this process may use of it, does not suffice."""


class PhotoError(FlowerError):
    """A photo cannot be read: it is missing, damaged or too large, or its format is not supported."""


class DamagedPhotoError(PhotoError):
    """The content of a photo is damaged, or it has no supported format."""


class TruncatedPhotoError(DamagedPhotoError):
    """The end of a photo's file is missing. Perhaps the file is still being written."""


class UnavailablePhotoError(PhotoError):
    """A photo cannot be read now, for a reason outside the photo: permissions, a network drive, too little memory.

    The same file may be readable later.
    """


class ModelError(FlowerError):
    """A model file cannot be used: it is missing, damaged, or not made by ``python -m export``."""


class DeviceError(FlowerError):
    """A device cannot be used by the installed onnxruntime."""


def says_too_little_memory(error: BaseException) -> bool:
    """Return whether an exception of Python or of a library means that memory was refused."""
    text = str(error)
    return isinstance(error, MemoryError) or any(words in text for words in MEMORY_WORDS)
