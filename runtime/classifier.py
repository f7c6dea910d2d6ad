"""`FlowerClassifier`: photos in, names and probabilities out."""

import os
from collections.abc import Iterable, Iterator

import numpy as np

from runtime.answer import Answer, make_answer, softmax
from runtime.errors import FlowerError, PhotoError
from runtime.inference.model_file import DEFAULT_MODEL, ModelInfo
from runtime.inference.session import Session
from runtime.photos.open_photo import Photo
from runtime.photos.prefetch import PrefetchDecoder

BATCH = 8
"""Photos that the network takes at once where as many are ready: what is gained with more is little, and each waits
for all."""

AHEAD = 32
"""Photos that are decoded before the network asks for them."""


class FlowerClassifier:
    """Names the flower in a photo.

    >>> from runtime import FlowerClassifier
    >>> classifier = FlowerClassifier()
    >>> classifier.predict("photo.jpg").best.label  # doctest: +SKIP
    'sunflower'

    One instance may be shared by threads: it holds nothing that changes after it is made.

    Args:
        model: a file written by ``python -m export``; by default the model inside the package.
        device: ``auto`` (the best that starts), or a name in `runtime.inference.devices.DEVICES`: ``cpu``, ``cuda``, …
        threads: CPU threads for the network; by default as many as physical cores that this process may use.

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
        """Where the network runs: a name in `runtime.inference.devices.DEVICES`."""
        return self._session.device

    @property
    def passed_over(self) -> tuple[str, ...]:
        """Devices that ``auto`` would have preferred, and that onnxruntime was built for, but that did not start."""
        return tuple(self._session.passed_over)

    @property
    def threads(self) -> int:
        """CPU threads of the network."""
        return self._session.threads

    def predict(self, photo: Photo, top: int = 5) -> Answer:
        """The ``top`` most probable classes of one photo, most probable first, and whether they can be believed.

        Raises:
            PhotoError: the photo cannot be read.
        """
        return self._answers(self.info.preprocessing(photo)[np.newaxis], top)[0]

    def predict_many(
        self, photos: Iterable[Photo | FlowerError], top: int = 5
    ) -> Iterator[tuple[Photo | FlowerError, Answer | FlowerError]]:
        """Each photo with its answer, or with the error that kept it from being read; in order, as they come.

        Photos are decoded in threads: in turns with the network where that is on the CPU, while it works on those
        before them where it is elsewhere. A few dozen are held at a time, however many there are, and ``photos`` may
        be endless; it is iterated in those threads. An error among them stands for a photo that could not be had, and
        keeps its place.
        """
        if isinstance(photos, str | bytes | os.PathLike):
            raise PhotoError("predict_many takes several photos; put a single one into a list")
        limit = min(BATCH, self._session.largest_batch or BATCH)
        # On the CPU, both are faster in turns; another device works while the CPU decodes.
        in_turns = self.device == "cpu"
        ahead = PrefetchDecoder(
            photos, self._pixels, threads=self.threads, depth=AHEAD + self.threads, in_turns=in_turns
        )
        try:
            while found := ahead.take(limit):
                pixels = [decoded for _, decoded in found if not isinstance(decoded, FlowerError)]
                answers = iter(self._answers(np.stack(pixels), top) if pixels else ())
                for photo, decoded in found:
                    yield photo, decoded if isinstance(decoded, FlowerError) else next(answers)
        finally:
            ahead.close()

    def probabilities(self, photo: Photo) -> np.ndarray:
        """The probability of every class: float32, shape (classes,), in the order of `classes`."""
        return self._probabilities(self.info.preprocessing(photo)[np.newaxis])[0]

    def _pixels(self, photo: Photo | FlowerError) -> np.ndarray:
        if isinstance(photo, FlowerError):
            raise photo
        return self.info.preprocessing(photo)

    def _answers(self, pixels: np.ndarray, top: int) -> list[Answer]:
        info = self.info
        return [make_answer(row, info.classes, info.threshold, top) for row in self._probabilities(pixels)]

    def _probabilities(self, pixels: np.ndarray) -> np.ndarray:
        return softmax(self._session.logits(pixels) / np.float32(self.info.temperature))
