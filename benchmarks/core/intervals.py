"""95 % intervals of accuracies: how far a figure may be off because the number of photographs is limited."""

import math

import numpy as np

Z = 1.959963984540054
"""The 97.5 % quantile of the normal distribution."""

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

    It is Wilson's interval with Kish's effective number of photographs (L. Kish, "Survey Sampling", 1965), which is
    smaller than their number if the classes differ in size. The variance within each class cannot be estimated from a
    few photographs: a class with 10 of 10 right would have none. So all classes count as equally difficult. If they are
    not, the interval is too wide for classes of equal size, and too narrow if the classes with few photographs are the
    difficult ones.

    Args:
        hits: bool, shape (images,).
        labels: int, shape (images,).
    """
    _, classes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    mean = float((np.bincount(classes, weights=hits) / counts).mean())
    effective = len(counts) ** 2 / float((1 / counts).sum())
    return wilson(mean * effective, effective)
