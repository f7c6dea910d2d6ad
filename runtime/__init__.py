"""The ground floor: from a photo to an answer, with numpy, Pillow and onnxruntime alone.

from runtime import FlowerClassifier
FlowerClassifier().predict("photo.jpg")
"""

from runtime.classifier import FlowerClassifier, Prediction
from runtime.errors import DeviceError, FlowerError, ModelError, PhotoError
from runtime.modelfile import ModelInfo
from runtime.preprocessing import Preprocessing
from runtime.version import __version__

__all__ = [
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
