"""The ground floor: from a photo to an answer, with numpy, Pillow and onnxruntime alone.

from runtime import FlowerClassifier
FlowerClassifier().predict("photo.jpg")
"""

import os

# onnxruntime sends usage data to its makers unless told otherwise before it is loaded, and keeps files in the user's
# home for it. A photo classifier has no business doing either; who wants it sets the variable to 0.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

from runtime.answer import Answer, Prediction
from runtime.classifier import FlowerClassifier
from runtime.errors import DeviceError, FlowerError, ModelError, PhotoError
from runtime.modelfile import ModelInfo
from runtime.preprocessing import Preprocessing
from runtime.version import __version__

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
