"""95 % intervals: how far a figure may be off because only so many photographs were looked at."""

import math

import numpy as np

Z = 1.959963984540054
"""The 97.5 % quantile of the normal distribution."""
RESAMPLES = 2000

Interval = tuple[float, float]


def wilson(successes: int, total: int) -> Interval:
    """Wilson's score interval of a share (E. B. Wilson, JASA 22, 1927); sound near 0 and 1, too."""
    if not total:
        return 0.0, 1.0
    share = successes / total
    centre = share + Z * Z / (2 * total)
    spread = Z * math.sqrt(share * (1 - share) / total + Z * Z / (4 * total * total))
    scale = 1 + Z * Z / total
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)


def bootstrap_mean_per_class(hits: np.ndarray, labels: np.ndarray) -> Interval:
    """Percentile bootstrap of the mean per-class accuracy, images drawn within their class; seeded.

    Args:
        hits: bool, shape (images,).
        labels: int, shape (images,).
    """
    random = np.random.default_rng(0)
    means = np.zeros(RESAMPLES)
    classes = np.unique(labels)
    for label in classes:
        own = hits[labels == label]
        means += random.binomial(len(own), own.mean(), RESAMPLES) / len(own)
    return _middle(means / len(classes))


def bootstrap_difference(hits: np.ndarray, reference: np.ndarray) -> Interval:
    """Percentile bootstrap of the difference of two accuracies on the same images; seeded.

    Pairing matters: two networks err on mostly the same images, so their difference is known far better than either.
    """
    random = np.random.default_rng(0)
    difference = hits.astype(float) - reference.astype(float)
    draws = random.integers(0, len(difference), (RESAMPLES, len(difference)))
    return _middle(difference[draws].mean(axis=1))


def _middle(values: np.ndarray) -> Interval:
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)
