"""TODO from export.verification.evaluation."""

from dataclasses import dataclass

import numpy as np

SAME_NETWORK = 0.1
"""Largest difference of a logit between two ways of running one INT8 network, as a share of the logits' standard
deviation: what roundings between layers come to. Another network is at once further away."""


@dataclass(frozen=True)
class Comparison:
    """A model's logits against a reference's, on the same photographs."""

    agreement: float
    """Share of photographs with the same top-1."""
    worst_difference: float
    """Largest absolute difference of two logits."""
    rms_difference: float
    """Root of the mean squared difference of the logits."""

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
    """Mean Kullback-Leibler divergence of the softmax of ``logits`` from that of ``reference``, in nats."""
    exact, found = _log_softmax(reference), _log_softmax(logits)
    return float((np.exp(exact) * (exact - found)).sum(axis=1).mean())


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
