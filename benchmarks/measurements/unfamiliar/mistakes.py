"""The most confident mistakes: photographs that get a wrong name."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.core.photo_sheet import Thumbnail
from benchmarks.measurements.unfamiliar.photo_sets import Kind, PhotoSet
from export.confidence.cuts import best_probabilities, named
from runtime.inference.model_file import Cuts
from runtime.inference.session import Outputs

LIMIT = 24
"""Most photographs on the sheet."""
KINDS: dict[Kind, str] = {
    "test": "test photograph",
    "same": "known flower, other people",
    "other": "flower it does not know",
    "without": "no flower",
}
"""What the sheet says of each kind."""


@dataclass(frozen=True)
class Mistake:
    """One photograph with a wrong name."""

    photos: PhotoSet
    index: int
    """In the set."""
    answer: str
    probability: float
    familiarity: float | None

    def thumbnail(self) -> Thumbnail:
        """Return the photograph with its name, numbers and what it shows."""
        numbers = f"{self.probability:.1%}"
        if self.familiarity is not None:
            numbers += f", familiarity {self.familiarity:.2f}"
        return Thumbnail(
            self.photos.photographs.paths[self.index],
            self.answer,
            (numbers, f"label: {self.photos.subject(self.index)}", KINDS[self.photos.kind]),
        )


def find_mistakes(
    sets: Sequence[PhotoSet], outputs: Sequence[Outputs], temperature: float, cuts: Cuts
) -> list[Mistake]:
    """Return all photographs that get a wrong name, the most probable first.

    Args:
        sets: the photographs.
        outputs: for each set.
        temperature: of the model.
        cuts: of the rule.
    """
    mistakes = []
    for photos, each in zip(sets, outputs, strict=True):
        best, probability = each.logits.argmax(axis=1), best_probabilities(each, temperature)
        wrong = named(each, temperature, cuts) & (best != photos.photographs.labels)
        for index in np.flatnonzero(wrong).tolist():
            answer = photos.photographs.classes[best[index]]
            familiarity = None if each.familiarity is None else float(each.familiarity[index])
            mistakes.append(Mistake(photos, index, answer, float(probability[index]), familiarity))
    return sorted(mistakes, key=lambda mistake: -mistake.probability)
