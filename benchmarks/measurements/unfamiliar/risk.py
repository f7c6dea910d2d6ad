"""Risk and coverage: how many answers are wrong, for every share of photographs that get one.

Y. Geifman and R. El-Yaniv, "Selective Classification for Deep Neural Networks", NeurIPS 2017.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from export.confidence.cuts import best_probabilities
from runtime.inference.session import Outputs


@dataclass(frozen=True)
class RiskCurve:
    """Risk over coverage, from the highest score to the lowest."""

    name: str
    coverage: np.ndarray
    """Share of the photographs that get an answer, 0 to 1, ascending."""
    risk: np.ndarray
    """Share of these answers that are wrong, 0 to 1."""


def risk_curve(name: str, scores: np.ndarray, wrong: np.ndarray) -> RiskCurve:
    """Return the curve of a score. Photographs of equal scores are answered together.

    Args:
        name: of the curve.
        scores: float, shape (images,).
        wrong: bool, shape (images,).
    """
    order = np.argsort(-scores, kind="stable")
    answered = np.arange(1, len(scores) + 1)
    errors = np.cumsum(wrong[order])
    last_of_equal = np.append(np.diff(scores[order]) != 0, True)
    return RiskCurve(name, (answered / len(scores))[last_of_equal], (errors / answered)[last_of_equal])


def risk_curves(
    outputs: Sequence[Outputs], known: Sequence[bool], wrong: np.ndarray, temperature: float
) -> list[RiskCurve]:
    """Return the curve of the probability alone and, if there is a familiarity, that of both.

    With both, the score is the smaller one of two ranks: the shares of the known photographs that have at most this
    probability, and at most this familiarity. So a photograph needs both, as it does for a name.

    Args:
        outputs: for each set.
        known: for each set, whether it shows known flowers.
        wrong: for all photographs, whether their best class is wrong.
        temperature: of the model.
    """
    probability = [best_probabilities(each, temperature) for each in outputs]
    curves = [risk_curve("probability alone", np.concatenate(probability), wrong)]
    familiarity = [each.familiarity for each in outputs if each.familiarity is not None]
    if familiarity:
        ranks = np.minimum(_ranks(probability, known), _ranks(familiarity, known))
        curves.append(risk_curve("probability and familiarity", ranks, wrong))
    return curves


def _ranks(values: Sequence[np.ndarray], known: Sequence[bool]) -> np.ndarray:
    """Return for each photograph the share of the known photographs whose value is at most its own.

    Below the lowest known photograph, the rank is negative and keeps the order of the values.
    """
    everything = np.concatenate(values)
    reference = np.sort(np.concatenate([each for each, is_known in zip(values, known, strict=True) if is_known]))
    ranks: np.ndarray = np.searchsorted(reference, everything, side="right") / len(reference)
    below = ranks == 0
    ranks[below] = (np.searchsorted(np.sort(everything[below]), everything[below]) - below.sum()) / len(everything)
    return ranks
