"""95 % intervals of accuracies: how far a figure may be off because the number of photographs is limited."""

import math

import numpy as np

Z = 1.959963984540054
"""The 97.5 % quantile of the normal distribution."""
PRIOR_PHOTOGRAPHS = 2.0
"""With this many photographs of the mean accuracy, a class's own accuracy is estimated."""

Interval = tuple[float, float]


def wilson(successes: float, total: float) -> Interval:
    """Return Wilson's score interval of a share, which is valid near 0 and 1, too.

    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22, 1927.

    Args:
        successes: how many; not a whole number if ``total`` is an effective sample size.
        total: of how many.
    """
    if not total:
        return 0.0, 1.0
    share = successes / total
    centre = share + Z * Z / (2 * total)
    spread = Z * math.sqrt(share * (1 - share) / total + Z * Z / (4 * total * total))
    scale = 1 + Z * Z / total
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)


def mean_per_class_interval(hits: np.ndarray, labels: np.ndarray) -> Interval:
    """Return the interval of the mean over classes of each class's accuracy.

    It is Wilson's interval with an effective number of photographs. That is Kish's (L. Kish, "Survey Sampling", 1965),
    as if all classes were equally difficult, or a smaller one if the classes with few photographs are the difficult
    ones. For the latter, each class's accuracy is moved towards the mean by `PRIOR_PHOTOGRAPHS`, because few
    photographs do not tell it: a class with 2 of 2 right would have no variance. For classes of equal size that differ
    in difficulty, the interval is wider than it need be.

    Args:
        hits: bool, shape (images,).
        labels: int, shape (images,).
    """
    _, classes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    hits_of_class = np.bincount(classes, weights=hits)
    mean = float((hits_of_class / counts).mean())
    effective = len(counts) ** 2 / float((1 / counts).sum())
    accuracy = (hits_of_class + PRIOR_PHOTOGRAPHS * mean) / (counts + PRIOR_PHOTOGRAPHS)
    variance = float((accuracy * (1 - accuracy) / counts).mean()) / len(counts)
    if variance * effective > mean * (1 - mean):
        effective = mean * (1 - mean) / variance
    return wilson(mean * effective, effective)
