"""The ground floor: from a photo to an answer, with numpy, Pillow and onnxruntime alone.

from runtime import FlowerClassifier
FlowerClassifier().predict("photo.jpg")
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from runtime.distribution import __version__
from runtime.errors import DeviceError, FlowerError, ModelError, PhotoError

if TYPE_CHECKING:
    from runtime.answer import Answer, Prediction
    from runtime.classifier import FlowerClassifier
    from runtime.inference.model_file import ModelInfo
    from runtime.photos.preprocessing import Preprocessing

# onnxruntime sends usage data to its makers unless told otherwise before it is loaded, and keeps files in the user's
# home for it. A photo classifier has no business doing either; who wants it sets the variable to 0.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

_LAZY = {
    "Answer": ".answer",
    "FlowerClassifier": ".classifier",
    "ModelInfo": ".inference.model_file",
    "Prediction": ".answer",
    "Preprocessing": ".photos.preprocessing",
}
"""What is imported when it is first used: numpy, Pillow and onnxruntime take most of the time that a command takes to
start, and ``--help`` or a mistyped option needs none of them."""


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_LAZY[name], __name__), name)
    return value


__all__ = [
    "Answer",
    "DeviceError",
    "FlowerClassifier",
    "FlowerError",
    "ModelError",
    "ModelInfo",
    "PhotoError",
    "Prediction",
    "Preprocessing",
    "__version__",
]
