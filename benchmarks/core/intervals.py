"""95 % intervals of accuracies: how far a figure may be off because the number of photographs is limited."""

import math

import numpy as np

Z = 1.959963984540054
"""The 97.5 % quantile of the normal distribution."""
RESAMPLES = 2000

Interval = tuple[float, float]


def wilson(successes: int, total: int) -> Interval:
    """Return Wilson's score interval of a share, which is valid near 0 and 1, too.

    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22, 1927.
    """
    if not total:
        return 0.0, 1.0
    share = successes / total
    centre = share + Z * Z / (2 * total)
    spread = Z * math.sqrt(share * (1 - share) / total + Z * Z / (4 * total * total))
    scale = 1 + Z * Z / total
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)


def bootstrap_mean_per_class(hits: np.ndarray, labels: np.ndarray) -> Interval:
    """Return the percentile bootstrap interval of the mean per-class accuracy.

    Images are drawn within their class, with a fixed seed. B. Efron, R. J. Tibshirani, "An Introduction to the
    Bootstrap", 1993, chapter 13.

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
    return _central_95_percent(means / len(classes))


def bootstrap_difference(hits: np.ndarray, reference: np.ndarray) -> Interval:
    """Return the percentile bootstrap interval of the difference of two accuracies on the same images.

    The images are drawn in pairs, with a fixed seed. Two networks fail on mostly the same images, so the paired
    interval is much narrower than the intervals of the two accuracies.

    Args:
        hits: bool, shape (images,).
        reference: bool, shape (images,), of the other network.
    """
    random = np.random.default_rng(0)
    difference = hits.astype(float) - reference.astype(float)
    draws = random.integers(0, len(difference), (RESAMPLES, len(difference)))
    return _central_95_percent(difference[draws].mean(axis=1))


def _central_95_percent(values: np.ndarray) -> Interval:
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)
