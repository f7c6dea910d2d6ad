"""What the classifier says of a photo."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np


@dataclass(frozen=True)
class Prediction:
    """One candidate."""

    label: str
    """The name of the class, for example ``sunflower``."""
    index: int
    """Its position in `FlowerClassifier.classes`."""
    probability: float
    """Softmax of the logits divided by the model's temperature, 0 to 1."""


@dataclass(frozen=True)
class Answer(Sequence[Prediction]):
    """The candidates for one photo, the most probable first; ``answer[0]`` is the best."""

    predictions: tuple[Prediction, ...]
    uncertain: bool
    """Whether even the best is below the model's threshold: perhaps no flower, or none that the model knows."""

    @property
    def best(self) -> Prediction:
        """The most probable class."""
        return self.predictions[0]

    @overload
    def __getitem__(self, index: int) -> Prediction: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Prediction]: ...

    def __getitem__(self, index: int | slice) -> Prediction | Sequence[Prediction]:
        return self.predictions[index]

    def __len__(self) -> int:
        return len(self.predictions)

    def __iter__(self) -> Iterator[Prediction]:
        return iter(self.predictions)


def make_answer(probabilities: np.ndarray, classes: Sequence[str], threshold: float, top: int) -> Answer:
    """The ``top`` most probable classes; of equals, the first.

    Args:
        probabilities: float, shape (classes,).
        classes: their names.
        threshold: the least probability of the best with which the answer counts as sure.
        top: at least 1.
    """
    best = np.argsort(-probabilities, kind="stable")[: max(1, top)]
    predictions = tuple(Prediction(classes[index], int(index), float(probabilities[index])) for index in best)
    return Answer(predictions, predictions[0].probability < threshold)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Softmax over the last axis, float32, shifted by the maximum so that it cannot overflow."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True), dtype=np.float32)
    return shifted / shifted.sum(axis=-1, keepdims=True)
