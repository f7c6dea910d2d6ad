"""From histograms to ranges: which part of an activation's values the 256 steps of a byte are spread over."""

import contextlib
import io
from collections.abc import Callable

import numpy as np
from onnxruntime.quantization.calibrate import CalibrationMethod, HistogramCollector, TensorsData

from export.quantization.histograms import Histogram, Histograms

PERCENTILE = 99.999
"""Share of the values that a range covers, in percent; what is cut off is shared between both ends."""
ENTROPY_BINS, ENTROPY_STEPS = 512, 128
MSE_CUTS = np.linspace(1.0, 0.2, 81)
"""Shares of the distance from 0 to the largest (smallest) value at which a range may end."""
STEPS = 255

Range = tuple[float, float]


def minmax(histogram: Histogram) -> Range:
    """All values that occurred."""
    return histogram.low, histogram.high


def percentile(histogram: Histogram) -> Range:
    """All but the few outermost values."""
    cut = (1 - PERCENTILE / 100) / 2
    shares = np.cumsum(histogram.counts) / histogram.counts.sum()
    low, high = (histogram.edges[np.searchsorted(shares, share)] for share in (cut, 1 - cut))
    return max(float(low), histogram.low), min(float(high), histogram.high)


def entropy(histogram: Histogram) -> Range:
    """The range whose quantized distribution says most about the real one (Kullback-Leibler), onnxruntime's search.

    It takes ranges symmetric about 0, and time in the square of the bins, so neighbouring bins are joined first.
    """
    counts, edges = _coarser(histogram, ENTROPY_BINS)
    collector = HistogramCollector("entropy", False, len(counts), ENTROPY_STEPS, PERCENTILE, "same")
    with contextlib.redirect_stdout(io.StringIO()):
        found = collector.get_entropy_threshold(
            (counts, edges, np.float32(histogram.low), np.float32(histogram.high), edges[-1]), ENTROPY_STEPS
        )
    return float(found[0]), float(found[1])


def mse(histogram: Histogram) -> Range:
    """The range with the least mean squared error after quantization to a byte.

    The two ends are moved in turns, each to its best place while the other stays.
    """
    centres = (histogram.edges[:-1] + histogram.edges[1:]) / 2
    there = histogram.counts > 0
    values, counts = centres[there], histogram.counts[there]
    low, high = min(histogram.low, 0.0), max(histogram.high, 0.0)
    for _ in range(2):
        high = min((error(values, counts, low, end), end) for end in MSE_CUTS * max(histogram.high, 0.0))[1]
        low = min((error(values, counts, end, high), end) for end in MSE_CUTS * min(histogram.low, 0.0))[1]
    return float(low), float(high)


def error(values: np.ndarray, counts: np.ndarray, low: float, high: float) -> float:
    """Summed squared error of ``values`` (``counts`` of each) after a round through bytes over ``low`` to ``high``."""
    scale = (high - low) / STEPS
    if scale <= 0:
        return float(counts @ np.square(values))
    zero = np.round(-low / scale)
    back = (np.clip(np.round(values / scale) + zero, 0, STEPS) - zero) * scale
    return float(counts @ np.square(values - back))


METHODS: dict[str, Callable[[Histogram], Range]] = {
    "minmax": minmax,
    "percentile": percentile,
    "entropy": entropy,
    "mse": mse,
}


def find_ranges(histograms: Histograms, method: str) -> TensorsData:
    """The range of each activation by one of `METHODS`, in the form that onnxruntime's quantizer takes."""
    found = {name: METHODS[method](histogram) for name, histogram in histograms.items()}
    as_arrays = {name: (np.array(low, np.float32), np.array(high, np.float32)) for name, (low, high) in found.items()}
    return TensorsData(CalibrationMethod.MinMax, as_arrays)


def _coarser(histogram: Histogram, bins: int) -> tuple[np.ndarray, np.ndarray]:
    """The histogram with neighbouring bins joined until there are about ``bins``; still symmetric about 0."""
    factor = max(1, len(histogram.counts) // bins)
    half = -(-len(histogram.counts) // (2 * factor)) * factor
    missing = half - len(histogram.counts) // 2
    counts = np.pad(histogram.counts, missing).reshape(-1, factor).sum(axis=1)
    width = (histogram.edges[-1] - histogram.edges[0]) / len(histogram.counts)
    edge = half * width
    return counts, np.linspace(-edge, edge, len(counts) + 1).astype(np.float32)
