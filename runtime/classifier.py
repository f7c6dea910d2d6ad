"""`FlowerClassifier`: photos in, names and probabilities out."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from runtime.errors import FlowerError
from runtime.modelfile import DEFAULT_MODEL, ModelInfo
from runtime.photo import Photo
from runtime.session import Session


@dataclass(frozen=True)
class Prediction:
    """One candidate."""

    label: str
    """The name of the class, for example ``sunflower``."""
    index: int
    """Its position in `FlowerClassifier.classes`."""
    probability: float
    """Softmax of the logits divided by the model's temperature, 0 to 1."""


class FlowerClassifier:
    """Names the flower in a photo.

    >>> from runtime import FlowerClassifier
    >>> classifier = FlowerClassifier()
    >>> classifier.predict("photo.jpg")[0].label  # doctest: +SKIP
    'sunflower'

    One instance may be shared by threads: it holds nothing that changes after it is made.

    Args:
        model: a file written by ``python -m export``; by default the model inside the package.
        device: ``auto`` (CUDA where onnxruntime has it, else the CPU), ``cpu`` or ``cuda``.
        threads: CPU threads for the network; by default the cores this process may use.

    Raises:
        ModelError: the model file is missing, damaged or not one of ours.
        DeviceError: the device cannot be used.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | None = None,
        device: str = "auto",
        threads: int | None = None,
    ) -> None:
        self._session = Session(model if model is not None else DEFAULT_MODEL, device=device, threads=threads)

    @property
    def info(self) -> ModelInfo:
        """What the model file says of itself."""
        return self._session.info

    @property
    def classes(self) -> tuple[str, ...]:
        """The names the model knows, in the order of its logits."""
        return self.info.classes

    @property
    def device(self) -> str:
        """Where the network runs: ``cpu`` or ``cuda``."""
        return self._session.device

    def predict(self, photo: Photo, top: int = 5) -> list[Prediction]:
        """The ``top`` most probable classes of one photo, most probable first.

        Raises:
            PhotoError: the photo cannot be read.
        """
        probabilities = self.probabilities(photo)
        best = np.argsort(-probabilities, kind="stable")[: max(0, top)]
        return [Prediction(self.classes[index], int(index), float(probabilities[index])) for index in best]

    def predict_many(
        self, photos: Iterable[Photo], top: int = 5
    ) -> Iterator[tuple[Photo, list[Prediction] | FlowerError]]:
        """Each photo with its predictions, or with the error that kept it from being read; in order, one at a time."""
        for photo in photos:
            try:
                yield photo, self.predict(photo, top)
            except FlowerError as error:
                yield photo, error

    def probabilities(self, photo: Photo) -> np.ndarray:
        """The probability of every class: float32, shape (classes,), in the order of `classes`."""
        logits = self._session.logits(self.info.preprocessing(photo)[np.newaxis])
        return softmax(logits / np.float32(self.info.temperature))[0]


def softmax(logits: np.ndarray) -> np.ndarray:
    """Softmax over the last axis, float32, shifted by the maximum so that it cannot overflow."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True), dtype=np.float32)
    return shifted / shifted.sum(axis=-1, keepdims=True)
