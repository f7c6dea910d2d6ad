"""The runtime: from a photo to an answer, with numpy, Pillow and onnxruntime only.

>>> from runtime import FlowerClassifier
>>> FlowerClassifier().predict("photo.jpg").best.label  # doctest: +SKIP
'sunflower'

Nothing here imports the other packages of this project.
"""

import os
from typing import TYPE_CHECKING

from runtime.distribution import __version__
from runtime.errors import (
    DamagedPhotoError,
    DeviceError,
    FlowerError,
    ModelError,
    OutOfMemoryError,
    PhotoError,
    TruncatedPhotoError,
    UnreadableError,
)
from runtime.lazy_import import lazy_attributes

if TYPE_CHECKING:
    from runtime.answers.answer import Answer, Prediction
    from runtime.classifier import FlowerClassifier
    from runtime.inference.model_file import ModelInfo
    from runtime.photos.preprocessing import Preprocessing

# onnxruntime sends usage data to its developers, and keeps files in the user's home for that, unless this variable is
# set before it is imported. Set the variable to 0 to allow it.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

_LAZY = {
    "Answer": ".answers.answer",
    "FlowerClassifier": ".classifier",
    "ModelInfo": ".inference.model_file",
    "Prediction": ".answers.answer",
    "Preprocessing": ".photos.preprocessing",
}
"""Name → the module that defines it, which is imported at the first use of the name. Importing numpy, Pillow and
onnxruntime takes most of the time that a command needs to start, and ``--help`` needs none of them."""


__getattr__ = lazy_attributes(__name__, _LAZY)


__all__ = [
    "Answer",
    "DamagedPhotoError",
    "DeviceError",
    "FlowerClassifier",
    "FlowerError",
    "ModelError",
    "ModelInfo",
    "OutOfMemoryError",
    "PhotoError",
    "Prediction",
    "Preprocessing",
    "TruncatedPhotoError",
    "UnreadableError",
    "__version__",
]
