"""Calibration methods: from the histogram of an activation to the range that its 8 bits cover.

To add a method, write a function from a `Histogram` and a number of steps to a `Range` and add it to `METHODS`.
``--calibrate``, ``--search`` and the calibration benchmark then offer it.

A byte with any zero point has `STEPS` between the two ends of the range. The symmetric form, which TensorRT needs, has
zero point 0 and `SYMMETRIC_STEPS` on each side of it. It rounds a value and its negative alike. So its range is found
from the histogram of the absolute values, which the steps of one side cover. The output of a ReLU has the steps of one
side only.
"""

from collections.abc import Callable, Mapping

import numpy as np

from export.quantization.histograms import Histogram, Histograms

PERCENTILE = 99.999
"""Percent of the values that a range of `percentile` covers. Half of the rest is cut off at each end."""
ENTROPY_BINS = 512
"""Bins that `entropy` joins a histogram into, because its time grows with the square of the bins."""
ENTROPY_STEPS = 128
"""Quantized bins of `entropy`, whatever the number of steps."""
SMOOTHING = 0.0001
"""Count that `entropy` puts into empty bins, so that the divergence is finite."""
MSE_CUTS = np.linspace(1.0, 0.2, 81)
"""Shares of the distance from 0 to the largest (smallest) value at which a range of `mse` may end."""
STEPS = 255
"""Steps of a byte."""
SYMMETRIC_STEPS = 127
"""Steps of the symmetric form on each side of 0."""

Range = tuple[float, float]
"""The smallest and the largest value that is represented."""
ActivationRanges = Mapping[str, Range]
"""Name of an activation in the core graph → its range."""


def minmax(histogram: Histogram, steps: int = STEPS) -> Range:
    """Cover all values that occurred, with any number of steps."""
    return histogram.low, histogram.high


def percentile(histogram: Histogram, steps: int = STEPS) -> Range:
    """Cover `PERCENTILE` percent of the values, with any number of steps."""
    cut = (1 - PERCENTILE / 100) / 2
    shares = np.cumsum(histogram.counts) / histogram.counts.sum()
    low, high = (histogram.edges[np.searchsorted(shares, share)] for share in (cut, 1 - cut))
    return max(float(low), histogram.low), min(float(high), histogram.high)


def entropy(histogram: Histogram, steps: int = STEPS) -> Range:
    """Minimise the Kullback-Leibler divergence of the quantized distribution from the clipped one.

    The ranges that are tried are symmetric about 0. Source: Migacz, "8-bit Inference with TensorRT", GTC 2017; the
    details are those of onnxruntime's ``HistogramCollector.get_entropy_threshold``, which gives the same ranges. Like
    it, this method does not depend on the number of steps.
    """
    counts, edges = _joined_bins(histogram, ENTROPY_BINS)
    middle = len(counts) // 2
    best: Range = (0.0, 0.0)
    best_divergence = np.float32(np.inf)
    for half in range(ENTROPY_STEPS // 2, middle + 1):
        start, end = middle - half, min(middle + half + 1, len(counts))
        divergence = _quantization_divergence(counts, start, end)
        if half == ENTROPY_STEPS // 2 or divergence < best_divergence:
            best, best_divergence = (float(edges[start]), float(edges[end])), divergence
    return max(best[0], histogram.low), min(best[1], histogram.high)


def mse(histogram: Histogram, steps: int = STEPS) -> Range:
    """Minimise the mean squared error of a round trip through ``steps``.

    The two ends are moved alternately, each to its best place while the other is fixed.
    """
    centres = (histogram.edges[:-1] + histogram.edges[1:]) / 2
    occurs = histogram.counts > 0
    values, counts = centres[occurs], histogram.counts[occurs]
    low, high = min(histogram.low, 0.0), max(histogram.high, 0.0)
    for _ in range(2):
        high = min(
            (squared_error(values, counts, low, end, steps), end) for end in MSE_CUTS * max(histogram.high, 0.0)
        )[1]
        low = min((squared_error(values, counts, end, high, steps), end) for end in MSE_CUTS * min(histogram.low, 0.0))[
            1
        ]
    return float(low), float(high)


METHODS: dict[str, Callable[[Histogram, int], Range]] = {
    "minmax": minmax,
    "percentile": percentile,
    "entropy": entropy,
    "mse": mse,
}
"""Name on the command line → calibration method."""


def find_ranges(histograms: Histograms, method: str, *, symmetric: bool = False) -> ActivationRanges:
    """Return the range of each activation.

    Args:
        histograms: from `export.quantization.calibration.collect_histograms`.
        method: a name in `METHODS`.
        symmetric: for activations with zero point 0, as TensorRT needs them; the ranges are symmetric about 0.
    """
    find = METHODS[method]
    if not symmetric:
        return {name: find(histogram, STEPS) for name, histogram in histograms.items()}
    ends = {name: find(histogram.magnitudes(), SYMMETRIC_STEPS)[1] for name, histogram in histograms.items()}
    return {name: (-end, end) for name, end in ends.items()}


def squared_error(values: np.ndarray, counts: np.ndarray, low: float, high: float, steps: int = STEPS) -> float:
    """Return the summed squared error of a round trip through ``steps`` that cover ``low`` to ``high``.

    Args:
        values: float, shape (n,).
        counts: how often each value occurs, shape (n,).
        low: smallest represented value.
        high: largest represented value.
        steps: between these two.
    """
    scale = (high - low) / steps
    if scale <= 0:
        return float(counts @ np.square(values))
    zero = np.round(-low / scale)
    restored = (np.clip(np.round(values / scale) + zero, 0, steps) - zero) * scale
    return float(counts @ np.square(values - restored))


def _quantization_divergence(counts: np.ndarray, start: int, end: int) -> np.float32:
    """The divergence, in nats, that quantizing the bins ``start`` to ``end - 1`` to `ENTROPY_STEPS` bins causes."""
    clipped = counts[start:end]
    reference = clipped.copy()
    reference[0] += counts[:start].sum()
    reference[-1] += counts[end:].sum()
    merged = len(clipped) // ENTROPY_STEPS
    covered = ENTROPY_STEPS * merged
    sums = clipped[:covered].reshape(ENTROPY_STEPS, merged).sum(axis=1)
    sums[-1] += clipped[covered:].sum()
    # Each step spreads its count evenly over those of its bins that are not empty in the reference.
    occupied = (reference[:covered] != 0).reshape(ENTROPY_STEPS, merged).sum(axis=1)
    share = np.divide(sums, occupied, out=np.zeros(ENTROPY_STEPS), where=occupied > 0)
    quantized = np.zeros(len(clipped), dtype=np.int64)
    quantized[:covered] = np.repeat(share.astype(np.int64), merged)
    if not reference.any() or not quantized.any():
        return np.float32(np.inf)
    p, q = _smoothed(reference), _smoothed(quantized)
    p, q = p / p.sum(), q / q.sum()
    return np.float32((p * np.log(p / q)).sum())


def _smoothed(counts: np.ndarray) -> np.ndarray:
    """``counts`` as float32 with `SMOOTHING` in empty bins, taken evenly from the others."""
    empty = (counts == 0).astype(np.float32)
    occupied = (counts != 0).astype(np.float32)
    taken = SMOOTHING * float(empty.sum()) / float(occupied.sum())
    smoothed: np.ndarray = counts.astype(np.float32)
    smoothed += SMOOTHING * empty + (-taken) * occupied
    return smoothed


def _joined_bins(histogram: Histogram, bins: int) -> tuple[np.ndarray, np.ndarray]:
    """Counts and edges with neighbouring bins joined into about ``bins``; still symmetric about 0."""
    factor = max(1, len(histogram.counts) // bins)
    half = -(-len(histogram.counts) // (2 * factor)) * factor
    missing = half - len(histogram.counts) // 2
    counts = np.pad(histogram.counts, missing).reshape(-1, factor).sum(axis=1)
    width = (histogram.edges[-1] - histogram.edges[0]) / len(histogram.counts)
    edge = half * width
    return counts, np.linspace(-edge, edge, len(counts) + 1).astype(np.float32)
