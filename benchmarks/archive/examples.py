"""Which photos the page shows: of each species the most and the least certain ones, and those that are unfamiliar."""

from dataclasses import dataclass

import numpy as np

from benchmarks.archive.answers import NONE, VERDICTS, Answers


@dataclass(frozen=True)
class Examples:
    """Photos of one species."""

    most_certain: np.ndarray
    """int64: the photo with the highest probability first."""
    least_certain: np.ndarray
    """int64: the photo with the lowest probability first; none that is among the others."""


def species_examples(answers: Answers, hidden: np.ndarray, most: int) -> dict[int, Examples]:
    """Return photos of each species. Unfamiliar photos are none of any species.

    Args:
        answers: of all photos.
        hidden: int: photos that are not shown, because others look the same.
        most: photos of each kind.

    Returns:
        Place of a species in `Answers.species` → its photos.
    """
    shown = _without(answers, hidden) & (answers.verdicts <= VERDICTS.index("between")) & (answers.classes != NONE)
    rows = np.flatnonzero(shown)
    familiarity = np.nan_to_num(answers.familiarity[rows])
    # Many probabilities are the same after rounding.
    rows = rows[np.lexsort((-familiarity, -answers.probabilities[rows], answers.classes[rows]))]
    places, starts = np.unique(answers.classes[rows], return_index=True)
    return {
        int(place): Examples(each[:most], each[most:][::-1][:most])
        for place, each in zip(places, np.split(rows, starts)[1:], strict=True)
    }


def unfamiliar_examples(answers: Answers, hidden: np.ndarray, most: int) -> np.ndarray:
    """Return photos with the verdict ``unfamiliar``, the least familiar ones first. The arguments are as above."""
    rows = np.flatnonzero(_without(answers, hidden) & (answers.verdicts == VERDICTS.index("unfamiliar")))
    return rows[np.argsort(answers.familiarity[rows], kind="stable")][:most]


def _without(answers: Answers, hidden: np.ndarray) -> np.ndarray:
    shown = np.ones(len(answers), dtype=bool)
    shown[hidden] = False
    return shown
