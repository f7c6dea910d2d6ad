"""The answer for one photo: its most probable classes, and whether the best one is uncertain."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np


@dataclass(frozen=True)
class Prediction:
    """One class with its probability."""

    label: str
    """The name of the class, for example ``sunflower``."""
    index: int
    """The position of the class in `FlowerClassifier.classes`."""
    probability: float
    """0 to 1: the softmax of the logits divided by the model's temperature."""


@dataclass(frozen=True)
class Answer(Sequence[Prediction]):
    """The most probable classes of one photo, the most probable first. ``answer[0]`` is `best`."""

    predictions: tuple[Prediction, ...]
    uncertain: bool
    """Whether the best probability is below the model's threshold. The photo may show no flower, or an unknown one."""

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
    """Return the ``top`` most probable classes. Of equal probabilities, the class with the lower index comes first.

    Args:
        probabilities: float, shape (classes,).
        classes: the names of the classes.
        threshold: the answer is uncertain if the best probability is below this.
        top: number of classes, at least 1.
    """
    best = np.argsort(-probabilities, kind="stable")[: max(1, top)]
    predictions = tuple(Prediction(classes[index], int(index), float(probabilities[index])) for index in best)
    return Answer(predictions, predictions[0].probability < threshold)


def answer_to_dict(photo: str, answer: Answer) -> dict[str, Any]:
    """Return an answer as JSON values: the object that ``flower-infer --json`` prints and that a watch logs.

    Args:
        photo: its name.
        answer: for the photo. Probabilities are rounded to six digits.
    """
    return {
        "photo": photo,
        "uncertain": answer.uncertain,
        "predictions": [
            {"label": p.label, "index": p.index, "probability": round(p.probability, 6)} for p in answer.predictions
        ],
    }


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return the softmax over the last axis as float32. Subtracting the maximum first prevents an overflow."""
    exponentials: np.ndarray = np.exp(logits - logits.max(axis=-1, keepdims=True), dtype=np.float32)
    normalized: np.ndarray = exponentials / exponentials.sum(axis=-1, keepdims=True)
    return normalized
