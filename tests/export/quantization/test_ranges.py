"""Calibration: histograms of activations, and the ranges that each method makes of them."""

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import numpy_helper

from export.errors import ExportError
from export.graph.interface import PIXELS
from export.quantization.calibration import collect_histograms
from export.quantization.histograms import BINS, Histogram, HistogramBuilder, Histograms
from export.quantization.int8 import quantize
from export.quantization.ranges import (
    ENTROPY_STEPS,
    METHODS,
    MSE_CUTS,
    PERCENTILE,
    STEPS,
    SYMMETRIC_STEPS,
    entropy,
    find_ranges,
    minmax,
    mse,
    percentile,
    squared_error,
)  # fmt: skip
from finetune.network.photo_network import PIXEL_ZERO


def test_histograms_count_all_photographs(histograms: Histograms, images: np.ndarray) -> None:
    pixels = histograms[PIXELS]
    assert pixels.counts.sum() == images.size
    assert (pixels.low, pixels.high) == (images.min() - float(PIXEL_ZERO), images.max() - float(PIXEL_ZERO))
    assert histograms["r1"].low == 0
    assert histograms.keys() == {PIXELS, "c1", "r1", "c2", "r2", "p", "f", "logits"}


def test_calibration_without_photographs_fails(core: onnx.ModelProto) -> None:
    with pytest.raises(ExportError, match="no photographs to calibrate on"):
        collect_histograms(core, [], 0)


def test_histograms_are_those_of_onnxruntime() -> None:
    calibrate = pytest.importorskip("onnxruntime.quantization.calibrate")
    if not hasattr(calibrate, "HistogramCollector"):
        pytest.skip("this onnxruntime has no HistogramCollector")
    random = np.random.default_rng(0)
    slices = [
        np.zeros(50, np.float32),
        *(random.standard_normal(1000).astype(np.float32) * scale for scale in (1, 0.5, 3, 2.9, 7)),
    ]
    for start in (0, 1):
        collector = calibrate.HistogramCollector("percentile", False, BINS, 128, 99.999, "same")
        builder = None
        for values in slices[start:]:
            collector.collect_value({"x": values})
            if builder is None:
                builder = HistogramBuilder(values)
            else:
                builder.add(values)
        assert builder is not None
        counts, edges, low, high, _ = collector.histogram_dict["x"]
        histogram = builder.histogram()
        assert np.array_equal(histogram.counts, counts)
        assert np.array_equal(histogram.edges, edges)
        assert (histogram.low, histogram.high) == (float(low), float(high))


def test_entropy_ranges_are_those_of_onnxruntime() -> None:
    calibrate = pytest.importorskip("onnxruntime.quantization.calibrate")
    if not hasattr(calibrate.HistogramCollector, "get_entropy_threshold"):
        pytest.skip("this onnxruntime has no get_entropy_threshold")
    random = np.random.default_rng(0)
    for values in (
        random.standard_normal(5000),
        np.maximum(random.standard_normal(5000), 0),
        np.exp(2 * random.standard_normal(5000)),
        np.concatenate([random.standard_normal(100), [40.0]]),
        random.integers(-3, 4, 200),
    ):
        values = values.astype(np.float32)
        reach = float(np.abs(values).max())
        counts, edges = np.histogram(values, 512, range=(-reach, reach))
        low, high = np.float32(values.min()), np.float32(values.max())
        collector = calibrate.HistogramCollector("entropy", False, 512, ENTROPY_STEPS, 99.999, "same")
        edges = np.linspace(-reach, reach, 513).astype(np.float32)
        expected = collector.get_entropy_threshold((counts, edges, low, high, edges[-1]), ENTROPY_STEPS)
        histogram = Histogram(counts, np.linspace(-reach, reach, 513), float(low), float(high))
        assert entropy(histogram) == (float(expected[0]), float(expected[1]))


@pytest.mark.parametrize("method", METHODS)
def test_every_method_finds_ranges_within_the_values(method: str, histograms: Histograms) -> None:
    for name, histogram in histograms.items():
        low, high = METHODS[method](histogram, STEPS)
        # The ranges of entropy are symmetric about 0.
        slack = 0.01 * (histogram.high - histogram.low) if method != "entropy" else np.inf
        assert low < high, name
        assert min(histogram.low, 0) - slack <= low, name  # a range of bytes always contains 0
        assert high <= max(histogram.high, 0) + slack, name


@given(st.lists(st.integers(0, 1000), min_size=8, max_size=64), st.floats(0.01, 100))
def test_mse_is_never_worse_than_minmax(counts: list[int], reach: float) -> None:
    histogram = Histogram(np.array([*counts, 1]), np.linspace(-reach, reach, len(counts) + 2), -reach, reach)
    centres = (histogram.edges[:-1] + histogram.edges[1:]) / 2
    mse_error, minmax_error = (squared_error(centres, histogram.counts, *method(histogram)) for method in (mse, minmax))
    assert mse_error <= minmax_error


def test_percentile_excludes_outliers() -> None:
    counts = np.zeros(2000, np.int64)
    counts[1000:1100] = 10_000_000
    counts[-1] = 1
    low, high = percentile(Histogram(counts, np.linspace(-10, 10, 2001), 0.0, 10.0))
    assert low == 0
    assert high == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("values", ["relu", "signed"])
def test_symmetric_ranges_suit_the_steps_of_the_symmetric_form(values: str) -> None:
    """TensorRT's form has 127 steps for the output of a ReLU; a byte has 255."""
    drawn = np.random.default_rng(0).laplace(size=200_000).astype(np.float32)
    builder = HistogramBuilder(np.maximum(drawn, 0) if values == "relu" else drawn - np.float32(0.5))
    histogram = builder.histogram()
    centres = (histogram.edges[:-1] + histogram.edges[1:]) / 2

    def error(end: float) -> float:
        """Of the grid that onnxruntime makes for int8 with zero point 0: -127 to 127."""
        scale = end / SYMMETRIC_STEPS
        return float(histogram.counts @ np.square(centres - np.clip(np.round(centres / scale), -127, 127) * scale))

    ranges = {name: find_ranges({"x": histogram}, name, symmetric=True)["x"] for name in METHODS}
    assert all(low == -high for low, high in ranges.values())
    largest = max(-histogram.low, histogram.high)
    assert ranges["minmax"][1] == pytest.approx(largest)
    best = min(error(end) for end in MSE_CUTS * largest)
    assert error(ranges["mse"][1]) == pytest.approx(best)
    assert error(max(map(abs, mse(histogram, STEPS)))) > 1.05 * best
    assert 0 < ranges["entropy"][1] <= largest
    covered = histogram.counts[np.abs(centres) <= ranges["percentile"][1]].sum() / histogram.counts.sum()
    assert covered == pytest.approx(PERCENTILE / 100, abs=2e-5)


def test_quantized_graph_has_the_scale_of_the_symmetric_range(core: onnx.ModelProto, histograms: Histograms) -> None:
    ranges = find_ranges(histograms, "mse", symmetric=True)
    model = quantize(core, ranges, tensorrt=True)
    scales = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    for name in ("r1", "r2"):
        assert float(scales[f"{name}_scale"]) == pytest.approx(ranges[name][1] / SYMMETRIC_STEPS, rel=1e-6)
