"""Confidence: a temperature that makes probabilities match the share of right answers, and a threshold for "not sure".

The literature calls fitting a temperature "probability calibration". This project says confidence, because calibration
means activation ranges here (`export.quantization.calibration`).

Temperature: a network trained with label smoothing, MixUp and strong augmentation gives its answers too low a
probability. Dividing the logits by one number, fitted on photographs that it was not trained on, corrects that and
changes no answer (Guo et al., "On Calibration of Modern Neural Networks", ICML 2017).

Threshold: a photo that shows no flower also gets the name of a flower, but rarely with the probability of a real one
(Hendrycks and Gimpel, "A Baseline for Detecting Misclassified and Out-of-Distribution Examples in Neural Networks",
ICLR 2017). Nearly all photographs of flowers reach the threshold.
"""

import numpy as np

from runtime.answer import softmax

MIN_TEMPERATURE, MAX_TEMPERATURE = 0.05, 20.0
"""Bounds of the fit."""
SHARE_ABOVE_THRESHOLD = 0.95
"""Share of the photographs that reach the threshold."""
BINS = 15
"""Bins of the expected calibration error, as in Guo et al."""


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """Return the temperature with the least cross-entropy, `MIN_TEMPERATURE` to `MAX_TEMPERATURE`.

    Args:
        logits: float, shape (images, classes).
        labels: int, shape (images,).
    """
    # Imported here, because the command line needs this module's constants and scipy takes long to import.
    from scipy.optimize import minimize_scalar

    result = minimize_scalar(
        lambda log_temperature: cross_entropy(logits / np.exp(log_temperature), labels),
        bounds=(np.log(MIN_TEMPERATURE), np.log(MAX_TEMPERATURE)),
        method="bounded",
    )
    return float(np.exp(result.x))


def fit_threshold(logits: np.ndarray, temperature: float) -> float:
    """Return the largest probability that `SHARE_ABOVE_THRESHOLD` of the photographs give to their first answer.

    Args:
        logits: float, shape (images, classes); all photographs show flowers.
        temperature: of the model.
    """
    best = softmax(logits / np.float32(temperature)).max(axis=1)
    return float(np.quantile(best, 1 - SHARE_ABOVE_THRESHOLD, method="lower"))


def cross_entropy(logits: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean negative log-probability of the labels, in nats.

    Args:
        logits: float, shape (images, classes).
        labels: int, shape (images,).
    """
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    return float((np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(labels)), labels]).mean())


def expected_calibration_error(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Return how far probabilities are from the share of right answers, 0 to 1 (Guo et al.).

    It is the mean over `BINS` bins of equal width, each weighted with the number of its photographs.

    Args:
        probabilities: float, shape (images, classes).
        labels: int, shape (images,).
    """
    best, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    bins = np.minimum((best * BINS).astype(int), BINS - 1)
    gaps = [abs(float(right[bins == b].mean()) - float(best[bins == b].mean())) * (bins == b).sum() for b in set(bins)]
    return float(sum(gaps) / len(labels))
