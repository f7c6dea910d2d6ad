"""Histograms of activations, filled in slices so that memory stays flat.

The bins are those of onnxruntime's ``HistogramCollector``: 2,048 at first, symmetric about 0. When later values lie
outside, bins of the same width are added on both sides.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

BINS = 2048
"""Bins of a new histogram."""


@dataclass(frozen=True)
class Histogram:
    """How often an activation had which values."""

    counts: np.ndarray
    """int64, shape (bins,)."""
    edges: np.ndarray
    """float, shape (bins + 1,); symmetric about 0."""
    low: float
    """The smallest value."""
    high: float
    """The largest value."""

    def magnitudes(self) -> "Histogram":
        """Return the histogram of the absolute values, in the same bins: those below 0 are empty."""
        half = len(self.counts) // 2
        counts = self.counts.copy()
        counts[-half:] += self.counts[:half][::-1]
        counts[:half] = 0
        return Histogram(counts, self.edges, 0.0, max(-self.low, self.high))


Histograms = Mapping[str, Histogram]
"""Name of an activation in the core graph → its histogram."""


class HistogramBuilder:
    """Adds up the values of one activation.

    Args:
        values: float32, any shape; the first slice.
    """

    def __init__(self, values: np.ndarray) -> None:
        values = values.ravel()
        self._low, self._high = np.nanmin(values), np.nanmax(values)
        self._threshold = _largest_magnitude(values)
        self._counts, self._edges = np.histogram(values, BINS, range=(-self._threshold, self._threshold))

    def add(self, values: np.ndarray) -> None:
        """Count the values of another slice: float32, any shape."""
        values = values.ravel()
        threshold = _largest_magnitude(values)
        if threshold <= self._threshold:
            counts, _ = np.histogram(values, len(self._counts), range=(-self._threshold, self._threshold))
            self._counts = self._counts + counts
        elif self._threshold == 0:
            counts, self._edges = np.histogram(values, len(self._counts), range=(-threshold, threshold))
            self._counts = self._counts + counts
            self._threshold = threshold
        else:
            width = 2 * self._threshold / len(self._counts)
            added = int((threshold - self._threshold) // width + 1)
            bins = len(self._counts) + 2 * added
            threshold = added * width + self._threshold
            counts, self._edges = np.histogram(values, bins, range=(-threshold, threshold))
            counts[added : bins - added] += self._counts
            self._counts, self._threshold = counts, threshold
        self._low, self._high = min(self._low, np.nanmin(values)), max(self._high, np.nanmax(values))

    def histogram(self) -> Histogram:
        """Return the histogram of all values so far."""
        return Histogram(self._counts, self._edges, float(self._low), float(self._high))


def _largest_magnitude(values: np.ndarray) -> Any:
    """The largest absolute value, in the type of ``values``: np.histogram computes in the precision of its range."""
    return np.array(max(abs(np.nanmin(values)), abs(np.nanmax(values))), dtype=values.dtype)
