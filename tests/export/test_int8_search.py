"""Calibration, ranges, sensitivity and search, on a network of three layers."""

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from export.graph.float_graph import PIXELS
from export.quantization.histograms import Histogram, Histograms, collect_histograms
from export.quantization.int8 import layers_of, quantize
from export.quantization.ranges import METHODS, error, find_ranges, minmax, mse, percentile
from export.quantization.search import search
from export.quantization.sensitivity import rank_layers
from export.verification.comparison import divergence
from finetune.network.photo_network import PIXEL_ZERO
from runtime.inference.model_file import OUTPUT

SIZE, CLASSES = 16, 5
LAYERS = ["first", "second", "head"]


@pytest.fixture(scope="module")
def core() -> onnx.ModelProto:
    random = np.random.default_rng(0)

    def weight(name: str, *shape: int) -> onnx.TensorProto:
        return numpy_helper.from_array((random.standard_normal(shape) / np.sqrt(shape[1])).astype(np.float32), name)

    nodes = [
        helper.make_node("Conv", [PIXELS, "w1"], ["c1"], name="first", kernel_shape=[3, 3]),
        helper.make_node("Relu", ["c1"], ["r1"], name="relu1"),
        helper.make_node("Conv", ["r1", "w2"], ["c2"], name="second", kernel_shape=[1, 1]),
        helper.make_node("Relu", ["c2"], ["r2"], name="relu2"),
        helper.make_node("GlobalAveragePool", ["r2"], ["p"], name="pool"),
        helper.make_node("Flatten", ["p"], ["f"], name="flatten"),
        helper.make_node("Gemm", ["f", "w3", "b3"], [OUTPUT], name="head", transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "core",
        [helper.make_tensor_value_info(PIXELS, TensorProto.FLOAT, ["batch", 3, SIZE, SIZE])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["batch", CLASSES])],
        [weight("w1", 8, 3, 3, 3), weight("w2", 8, 8, 1, 1), weight("w3", CLASSES, 8),
         numpy_helper.from_array(np.zeros(CLASSES, np.float32), "b3")],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (40, SIZE, SIZE, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def histograms(core: onnx.ModelProto, images: np.ndarray) -> Histograms:
    return collect_histograms(core, [images[:7], images[7:]], len(images))


def test_histograms_are_of_all_photographs(histograms: Histograms, images: np.ndarray) -> None:
    pixels = histograms[PIXELS]
    assert pixels.counts.sum() == images.size
    assert (pixels.low, pixels.high) == (images.min() - float(PIXEL_ZERO), images.max() - float(PIXEL_ZERO))
    assert histograms["r1"].low == 0


@pytest.mark.parametrize("method", METHODS)
def test_every_method_finds_ranges_within_what_occurred(method: str, histograms: Histograms) -> None:
    for name, histogram in histograms.items():
        low, high = METHODS[method](histogram)
        slack = 0.01 * (histogram.high - histogram.low) if method != "entropy" else np.inf  # symmetric about 0
        assert low < high, name
        assert min(histogram.low, 0) - slack <= low, name  # 0 is always in a range of bytes
        assert high <= max(histogram.high, 0) + slack, name


@given(st.lists(st.integers(0, 1000), min_size=8, max_size=64), st.floats(0.01, 100))
def test_mse_is_never_worse_than_minmax(counts: list[int], reach: float) -> None:
    histogram = Histogram(np.array([*counts, 1]), np.linspace(-reach, reach, len(counts) + 2), -reach, reach)
    centres = (histogram.edges[:-1] + histogram.edges[1:]) / 2
    found, whole = (error(centres, histogram.counts, *method(histogram)) for method in (mse, minmax))
    assert found <= whole


def test_a_percentile_leaves_outliers_out() -> None:
    counts = np.zeros(2000, np.int64)
    counts[1000:1100] = 10_000_000
    counts[-1] = 1
    low, high = percentile(Histogram(counts, np.linspace(-10, 10, 2001), 0.0, 10.0))
    assert low == 0
    assert high == pytest.approx(1, abs=0.02)


def test_a_layer_can_stay_in_float(core: onnx.ModelProto, histograms: Histograms) -> None:
    assert layers_of(core) == LAYERS
    for tensorrt in (False, True):
        model = quantize(core, find_ranges(histograms, "minmax"), keep=["second"], tensorrt=tensorrt)
        names = {tensor.name for tensor in model.graph.initializer}
        assert "w2" in names
        assert not {"w1", "w3"} & names


def test_search_stops_at_the_goal(core: onnx.ModelProto, histograms: Histograms, images: np.ndarray) -> None:
    labels = np.zeros(len(images), np.int64)
    lines: list[str] = []
    found = search(core, histograms, images, labels, 100.0, lines.append)
    assert found.best.keep == ()
    assert found.layers == ()
    assert [candidate.title() for candidate in found.tried][: len(METHODS)] == list(METHODS)
    assert len(found.tried) == len(METHODS) + 2  # equalisation and bias correction
    assert sum("divergence" in line for line in lines) == len(found.tried)
    assert [line.split()[-1] for line in lines if " dB " in line] != []
    assert found.best.divergence == min(candidate.divergence for candidate in found.tried)


def test_search_keeps_ever_more_layers_while_the_goal_is_out_of_reach(
    core: onnx.ModelProto, histograms: Histograms, images: np.ndarray
) -> None:
    labels = np.zeros(len(images), np.int64)
    found = search(core, histograms, images, labels, -101.0, lambda line: None)
    assert sorted(found.best.keep) == sorted(LAYERS)
    assert found.best.drop == 0
    assert found.best.divergence < 1e-6
    assert sorted(layer.layer for layer in found.layers) == sorted(LAYERS)


def test_the_layer_that_is_rounded_badly_comes_first(
    core: onnx.ModelProto, histograms: Histograms, images: np.ndarray
) -> None:
    squeezed = dict(histograms)
    squeezed["r2"] = Histogram(histograms["r2"].counts, histograms["r2"].edges, 0.0, 0.01 * histograms["r2"].high)
    labels = np.random.default_rng(2).integers(0, CLASSES, len(images))
    ranked = {layer.layer: layer for layer in rank_layers(core, find_ranges(squeezed, "minmax"), images, labels)}
    assert min(ranked.values(), key=lambda layer: layer.signal_to_noise).layer in ("second", "head")
    assert ranked["first"].signal_to_noise > 20 > ranked["second"].signal_to_noise


def test_divergence_is_nothing_between_equals() -> None:
    logits = np.random.default_rng(3).standard_normal((6, CLASSES))
    assert divergence(logits, logits + 3) == pytest.approx(0, abs=1e-12)
    assert divergence(logits, -logits) > 0.1
