"""The temperature: the number that makes probabilities match the share of right answers.

A network trained with label smoothing, MixUp and strong augmentation gives its answers too low a probability. Dividing
the logits by one number, fitted on photographs that it was not trained on, corrects that and changes no answer (Guo et
al., "On Calibration of Modern Neural Networks", ICML 2017).
"""

import numpy as np

MIN_TEMPERATURE, MAX_TEMPERATURE = 0.05, 20.0
"""Bounds of the fit."""
BINS = 15
"""Bins of the expected calibration error, as in Guo et al."""


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """Return the temperature with the least cross-entropy, `MIN_TEMPERATURE` to `MAX_TEMPERATURE`.

    With n photographs, the target is a probability of (n + 1) / (n + 2) for the label instead of 1 (Platt,
    "Probabilistic Outputs for Support Vector Machines", 1999). So a dozen photographs that are all right do not make
    every probability 100 %.

    Args:
        logits: float, shape (images, classes).
        labels: int, shape (images,).
    """
    # Imported here, because scipy takes long to import.
    from scipy.optimize import minimize_scalar

    classes = logits.shape[1]
    missing = 1 / (len(labels) + 2)

    def smoothed(log_temperature: float) -> float:
        scaled = logits / np.exp(log_temperature)
        every_class = float(_minus_log_probabilities(scaled).mean())
        # The missing probability is spread evenly over the other classes.
        share = missing * classes / max(1, classes - 1)
        return float((1 - share) * cross_entropy(scaled, labels) + share * every_class)

    result = minimize_scalar(
        smoothed,
        bounds=(np.log(MIN_TEMPERATURE), np.log(MAX_TEMPERATURE)),
        method="bounded",
    )
    return float(np.exp(result.x))


def cross_entropy(logits: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean negative log-probability of the labels, in nats.

    Args:
        logits: float, shape (images, classes).
        labels: int, shape (images,).
    """
    return float(_minus_log_probabilities(logits)[np.arange(len(labels)), labels].mean())


def _minus_log_probabilities(logits: np.ndarray) -> np.ndarray:
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    result: np.ndarray = np.log(np.exp(shifted).sum(axis=1, keepdims=True)) - shifted
    return result


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
