"""`FlowerClassifier`: photos in, class names and probabilities out."""

import os
from collections.abc import Collection, Iterable, Iterator

import numpy as np
from PIL import Image

from runtime.answers.answer import Answer, AnswerRule, check_top
from runtime.errors import FlowerError, ModelError, OutOfMemoryError, PhotoError
from runtime.inference.model_file import Cuts, ModelInfo
from runtime.inference.session import Outputs, Session
from runtime.inference.shipped_models import DEFAULT_MODEL, model_path
from runtime.photos.open_photo import Photo
from runtime.photos.prefetch import PrefetchDecoder

BATCH_SIZE = 8
"""Most photos that the network takes at once. Larger batches are hardly faster, and each photo waits for its batch."""

PREFETCH_DEPTH = 32
"""Photos that are decoded before the network needs them."""


class FlowerClassifier:
    """Names the flower in a photo.

    >>> from runtime import FlowerClassifier
    >>> classifier = FlowerClassifier()
    >>> classifier.predict("photo.jpg").best.label  # doctest: +SKIP
    'sunflower'

    Several threads may share one instance: nothing in it changes after it is made.

    Args:
        model: a file written by ``python -m export``, or the name of a model inside the package: ``full`` (the
            default), or ``slim`` and ``tiny``, which are smaller and faster and a little less accurate.
        device: ``auto`` (the best device that starts), or a name in `runtime.inference.devices.DEVICES`: ``cpu``, …
        threads: CPU threads for the network; by default the number of physical cores that this process may use.
        min_probability: the probability below which an answer is no name, 0 to 1; by default the model's threshold.
        strict: use the model's strict cuts: fewer names, and fewer wrong ones.
        only: the names that can occur, for example the flowers of one garden; by default all. The probabilities of
            these names add up to 1.

    Raises:
        ModelError: the model file is missing, damaged, not made by this toolkit, or without the strict cuts.
        DeviceError: the device cannot be used.
        FlowerError: ``min_probability`` is outside 0 to 1, or ``only`` has no name or one that the model does not know.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | None = None,
        device: str = "auto",
        threads: int | None = None,
        *,
        min_probability: float | None = None,
        strict: bool = False,
        only: Collection[str] | None = None,
    ) -> None:
        if model is not None and not isinstance(model, str | os.PathLike):
            raise ModelError(f"a model is the path of a file, not {type(model).__name__}")
        self._session = Session(DEFAULT_MODEL if model is None else model_path(model), device=device, threads=threads)
        self._rule = AnswerRule(self.info, min_probability=min_probability, strict=strict, only=only)

    @property
    def info(self) -> ModelInfo:
        """The metadata of the model file."""
        return self._session.info

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, in the order of the logits."""
        return self.info.classes

    @property
    def cuts(self) -> Cuts:
        """The smallest probability and familiarity with which an answer is a name."""
        return self._rule.cuts

    @property
    def has_familiarity(self) -> bool:
        """Whether the model file can tell a photo that is not like any flower it knows."""
        return self._session.has_familiarity

    @property
    def device(self) -> str:
        """The device that runs the network: a name in `runtime.inference.devices.DEVICES`."""
        return self._session.device

    @property
    def failed_devices(self) -> dict[str, str]:
        """The devices that ``auto`` tried before `device` and that did not start, each with the reason."""
        return dict(self._session.failed_devices)

    @property
    def threads(self) -> int:
        """The CPU threads of the network."""
        return self._session.threads

    def predict(self, photo: Photo, top: int = 5) -> Answer:
        """Return the ``top`` most probable classes of one photo, the most probable first.

        Raises:
            PhotoError: the photo cannot be read.
            FlowerError: ``top`` is no whole number from 1 up.
        """
        return self.answer(self.outputs(photo), top)

    def outputs(self, photo: Photo) -> Outputs:
        """Return the outputs of the network for one photo, a batch of 1, from which `answer` makes an answer.

        Raises:
            PhotoError: the photo cannot be read.
        """
        return self.outputs_of_input(self.info.preprocessing(photo))

    def outputs_of_input(self, pixels: np.ndarray) -> Outputs:
        """Return the outputs of the network for one photo that is preprocessed already, a batch of 1.

        Args:
            pixels: from ``info.preprocessing``: uint8, shape (size, size, 3), RGB.
        """
        return self._session.run(pixels[np.newaxis])

    def answer(self, outputs: Outputs, top: int = 5) -> Answer:
        """Return the answer for the outputs of one photo, or for the mean of the outputs of several pictures of it.

        Args:
            outputs: a batch of 1.
            top: classes in the answer.
        """
        check_top(top)
        return self._rule.answers(outputs, top)[0]

    def predict_many(
        self, photos: Iterable[Photo | FlowerError], top: int = 5
    ) -> Iterator[tuple[Photo | FlowerError, Answer | FlowerError]]:
        """Yield each photo with its answer, or with the error that prevented it, in the order of ``photos``.

        Threads iterate ``photos`` and decode them: on the CPU alternately with the network, on another device at the
        same time. A few dozen decoded photos are held at a time, however many there are; ``photos`` may be endless.
        An error in ``photos`` stands for a photo that could not be found, and is yielded in its place. The first answer
        comes as soon as the first photo is decoded.

        Raises:
            PhotoError: ``photos`` is a single photo.
            FlowerError: ``top`` is no whole number from 1 up.
        """
        check_top(top)
        is_single = isinstance(photos, str | bytes | bytearray | memoryview | os.PathLike | Image.Image)
        is_single = is_single or hasattr(photos, "read") or (isinstance(photos, np.ndarray) and photos.ndim < 4)
        if is_single or not isinstance(photos, Iterable):
            raise PhotoError("predict_many takes several photos; put a single one into a list")
        return self._predict_many(photos, top)

    def _predict_many(
        self, photos: Iterable[Photo | FlowerError], top: int
    ) -> Iterator[tuple[Photo | FlowerError, Answer | FlowerError]]:
        limit = min(BATCH_SIZE, self._session.max_batch_size or BATCH_SIZE)
        # On the CPU, decoding and the network are faster one after the other than at the same time.
        alternate = self.device == "cpu"
        decoder = PrefetchDecoder(
            photos, self._pixels, threads=self.threads, depth=PREFETCH_DEPTH + self.threads, alternate=alternate
        )
        try:
            while decoded := decoder.next_batch(limit):
                pixels = [result for _, result in decoded if not isinstance(result, FlowerError)]
                answers = iter(self._answers(np.stack(pixels), top) if pixels else ())
                for photo, result in decoded:
                    yield photo, result if isinstance(result, FlowerError) else next(answers)
        finally:
            decoder.close()

    def probabilities(self, photo: Photo) -> np.ndarray:
        """Return the probability of every class: float32, shape (classes,), in the order of `classes`."""
        logits = self._session.logits(self.info.preprocessing(photo)[np.newaxis])
        probabilities: np.ndarray = self._rule.probabilities(logits)[0]
        return probabilities

    def _pixels(self, photo: Photo | FlowerError) -> np.ndarray:
        if isinstance(photo, FlowerError):
            raise photo
        return self.info.preprocessing(photo)

    def _answers(self, pixels: np.ndarray, top: int) -> list[Answer]:
        try:
            return self._rule.answers(self._session.run(pixels), top)
        except OutOfMemoryError:
            if len(pixels) == 1:
                raise
        # One photo needs less memory than a batch.
        return [answer for image in pixels for answer in self._answers(image[np.newaxis], top)]
