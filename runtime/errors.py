"""What can go wrong, in words a user can act on.

Every error that this project raises on purpose is a :class:`FlowerError`. Its message is one line that says what is
wrong and what to do; command lines print it and exit with a status that is not 0, and never show a traceback for it.
"""


class FlowerError(Exception):
    """Base of all errors raised on purpose. ``str(error)`` is one line for a person."""

    def __init__(self, message: str) -> None:
        # File names may hold newlines; the promise is one line.
        super().__init__(" ".join(message.split()))


class PhotoError(FlowerError):
    """A photo that cannot be read: missing, damaged, too large, or no photo at all."""


class ModelError(FlowerError):
    """A model file that cannot be used: missing, damaged, or not made by ``python -m export``."""


class DeviceError(FlowerError):
    """A device that the installed onnxruntime cannot use."""
