"""Comparing the logits of two networks on the same photographs."""

from dataclasses import dataclass

import numpy as np

MAX_ROUNDING_DIFFERENCE = 0.1
"""Largest difference of a logit between two ways to run one INT8 network, as a share of the standard deviation of the
logits. Different roundings between layers stay below it; a different network exceeds it."""


@dataclass(frozen=True)
class Comparison:
    """The logits of a network against those of a reference."""

    agreement: float
    """Share of photographs with the same top-1, 0 to 1."""
    worst_difference: float
    """Largest absolute difference of two logits."""
    rms_difference: float
    """Root mean square of the differences of the logits."""

    @classmethod
    def of(cls, logits: np.ndarray, reference: np.ndarray) -> "Comparison":
        """Compare two arrays of shape (images, classes)."""
        difference = logits - reference
        return cls(
            float((logits.argmax(axis=1) == reference.argmax(axis=1)).mean()),
            float(np.abs(difference).max()),
            float(np.sqrt(np.square(difference).mean())),
        )


def divergence(reference: np.ndarray, logits: np.ndarray) -> float:
    """Return the mean Kullback-Leibler divergence of the probabilities of ``logits`` from those of ``reference``.

    Args:
        reference: logits, float, shape (images, classes).
        logits: float, shape (images, classes).

    Returns:
        The divergence in nats.
    """
    exact, approximate = _log_softmax(reference), _log_softmax(logits)
    return float((np.exp(exact) * (exact - approximate)).sum(axis=1).mean())


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    result: np.ndarray = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return result
