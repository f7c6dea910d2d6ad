"""What makes probabilities mean something: a temperature for all, and a threshold below which none is believed.

A network trained with label smoothing, MixUp and strong augmentation is less sure of itself than it should be. Dividing
its logits by one number, fitted on photographs it was not trained on, puts that right without changing any answer
(Guo et al., "On Calibration of Modern Neural Networks", ICML 2017).

A photo of something else is given some flower's name, too, but seldom with the probability of a real one (Hendrycks and
Gimpel, "A Baseline for Detecting Misclassified and Out-of-Distribution Examples in Neural Networks", ICLR 2017). The
threshold is what nearly all flowers reach.
"""

import numpy as np
from scipy.optimize import minimize_scalar

from runtime.answer import softmax

LOWEST, HIGHEST = 0.05, 20.0
PASSING = 0.95
"""Share of real flowers that are to reach the threshold."""
BINS = 15
"""As in the paper above."""


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """The temperature with the least cross-entropy, 0.05 to 20.

    Args:
        logits: float, shape (images, classes).
        labels: int, shape (images,).
    """
    found = minimize_scalar(
        lambda log_temperature: cross_entropy(logits / np.exp(log_temperature), labels),
        bounds=(np.log(LOWEST), np.log(HIGHEST)),
        method="bounded",
    )
    return float(np.exp(found.x))


def cross_entropy(logits: np.ndarray, labels: np.ndarray) -> float:
    """Mean negative log-probability of the labels, in nats."""
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    return float((np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(labels)), labels]).mean())


def fit_threshold(logits: np.ndarray, temperature: float) -> float:
    """The largest probability that `PASSING` of the photographs, all of flowers, give to their best class.

    Args:
        logits: float, shape (images, classes).
        temperature: that of the model.
    """
    best = softmax(logits / np.float32(temperature)).max(axis=1)
    return float(np.quantile(best, 1 - PASSING, method="lower"))


def expected_calibration_error(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """How far probabilities are from the share of answers that are right, 0 to 1: the mean over `BINS` of equal width,
    weighted with the photographs in them (Guo et al., as above).

    Args:
        probabilities: float, shape (images, classes).
        labels: int, shape (images,).
    """
    best, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    bins = np.minimum((best * BINS).astype(int), BINS - 1)
    gaps = [abs(float(right[bins == b].mean()) - float(best[bins == b].mean())) * (bins == b).sum() for b in set(bins)]
    return float(sum(gaps) / len(labels))
