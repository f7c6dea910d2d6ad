"""Comparing two networks on the same photographs: intervals and p-values of the difference of their accuracies.

Two networks fail on mostly the same photographs. So the difference is known better than either accuracy, and only the
photographs on which one network alone is right (discordant pairs) tell them apart.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import optimize, stats

from benchmarks.core.intervals import Interval, Z


@dataclass(frozen=True)
class PairedDifference:
    """The difference of two accuracies on the same photographs."""

    difference: float
    """-1 to 1, positive if the first network is right more often."""
    interval: Interval
    """95 %."""
    p_value: float
    """How likely a difference of at least this size is if the networks are equally accurate."""
    gained: int
    """Photographs on which only the first network is right."""
    lost: int
    """Photographs on which only the reference is right."""


def compare_paired(hits: np.ndarray, reference: np.ndarray) -> PairedDifference:
    """Compare two networks by Tango's score interval and the exact test of McNemar.

    Args:
        hits: bool, shape (images,): where the first network is right.
        reference: bool, shape (images,): where the reference is right.
    """
    gained, lost = int((hits & ~reference).sum()), int((reference & ~hits).sum())
    discordant, images = gained + lost, len(hits)
    p_value = float(stats.binomtest(gained, discordant, 0.5).pvalue) if discordant else 1.0
    return PairedDifference(
        (gained - lost) / images, paired_score_interval(gained, lost, images), p_value, gained, lost
    )


def paired_score_interval(gained: int, lost: int, images: int) -> Interval:
    """Return the 95 % score interval of a difference of two shares of the same photographs.

    It is valid with few discordant pairs or none: 0 of 1,020 gives -0.38 to +0.38 points. T. Tango, "Equivalence test
    and confidence interval for the difference in proportions for the paired-sample design", Statistics in Medicine 17,
    1998.

    Args:
        gained: pairs in which only the first is right.
        lost: pairs in which only the second is right.
        images: all pairs.
    """

    def distance(difference: float) -> float:
        """Return the standardized distance of the observed difference from ``difference``."""
        b = -gained - lost + (2 * images - gained + lost) * difference
        c = -lost * difference * (1 - difference)
        share_lost = (math.sqrt(max(0.0, b * b - 8 * images * c)) - b) / (4 * images)
        variance = images * (2 * share_lost + difference * (1 - difference))
        return (gained - lost - images * difference) / math.sqrt(max(variance, 1e-12))

    observed, edge = (gained - lost) / images, 1 - 1e-9
    low = -1.0 if observed <= -edge else optimize.brentq(lambda x: distance(x) - Z, -edge, observed)
    high = 1.0 if observed >= edge else optimize.brentq(lambda x: distance(x) + Z, observed, edge)
    return float(low), float(high)


def compare_over_seeds(hits: np.ndarray, reference: np.ndarray) -> tuple[float, Interval, float]:
    """Compare two ways to train, each with the same seeds, measured on the same photographs.

    The variance has two parts: the photographs and the seeds. A t-interval combines them with the degrees of freedom of
    Welch and Satterthwaite (F. E. Satterthwaite, "An approximate distribution of estimates of variance components",
    Biometrics Bulletin 2, 1946).

    Args:
        hits: bool, shape (seeds, images), of the changed training. At least two seeds.
        reference: bool, shape (seeds, images).

    Returns:
        The mean difference over the seeds, its 95 % interval, and its p-value.
    """
    differences = hits.astype(float) - reference.astype(float)
    seeds, images = differences.shape
    by_photo, by_seed = differences.mean(axis=0), differences.mean(axis=1)
    mean = float(by_seed.mean())
    photos_variance = _variance_over_photographs(by_photo)
    seeds_variance = by_seed.var(ddof=1) / seeds
    variance = photos_variance + seeds_variance
    freedom = variance**2 / (photos_variance**2 / (images - 1) + seeds_variance**2 / (seeds - 1))
    distribution = stats.t(freedom, loc=0, scale=math.sqrt(variance))
    spread = float(distribution.ppf(0.975))
    return mean, (mean - spread, mean + spread), 2 * float(distribution.sf(abs(mean)))


def mean_difference(differences: np.ndarray) -> tuple[float, Interval]:
    """Return the mean difference of two accuracies on the same photographs, and its 95 % interval.

    Args:
        differences: -1 to 1, float, shape (images,): fractions are allowed, unlike in `compare_paired`.
    """
    mean, spread = float(differences.mean()), Z * math.sqrt(_variance_over_photographs(differences))
    return mean, (mean - spread, mean + spread)


def _variance_over_photographs(differences: np.ndarray) -> float:
    """Return the variance of the mean of ``differences``: float, shape (images,).

    Half a pair is added to each of the four kinds of pairs, so that it is not 0 if no pair is discordant (A. Agresti
    and Y. Min, "Simple improved confidence intervals for comparing matched proportions", Statistics in Medicine 24,
    2005).
    """
    padded = len(differences) + 2
    return float(((differences**2).sum() + 1) / padded**2 - (differences.sum() / padded) ** 2 / padded)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for the number of comparisons.

    S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6, 1979.
    """
    corrected, largest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda index: p_values[index])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        corrected[index] = largest
    return corrected
