"""`FlowerClassifier`: photos in, names and probabilities out."""

import os
from collections.abc import Iterable, Iterator

import numpy as np

from runtime.answer import Answer, answer, softmax
from runtime.errors import FlowerError
from runtime.modelfile import DEFAULT_MODEL, ModelInfo
from runtime.photo import Photo
from runtime.session import Session


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

    def predict(self, photo: Photo, top: int = 5) -> Answer:
        """The ``top`` most probable classes of one photo, most probable first, and whether they can be believed.

        Raises:
            PhotoError: the photo cannot be read.
        """
        return answer(self.probabilities(photo), self.classes, self.info.threshold, top)

    def predict_many(self, photos: Iterable[Photo], top: int = 5) -> Iterator[tuple[Photo, Answer | FlowerError]]:
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
