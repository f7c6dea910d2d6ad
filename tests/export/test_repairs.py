"""Repairs of weights: equalisation changes nothing in float, bias correction takes the mean error away."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from export.graph.byte_input import with_byte_input
from export.graph.float_graph import PIXELS
from export.graph.networks import OnnxNetwork
from export.quantization.bias_correction import add_to_biases, bias_errors
from export.quantization.histograms import collect_histograms
from export.quantization.int8 import quantize
from export.quantization.ranges import find_ranges
from export.quantization.weight_equalization import _pairs, equalize_weights
from runtime.inference.model_file import OUTPUT

SIZE, CHANNELS, CLASSES = 16, 16, 5
LAYERS = ["stem", "one", "two", "three", "head"]


@pytest.fixture(scope="module")
def core() -> onnx.ModelProto:
    """A stem, a bottleneck block with its way past, and a head; some channels' weights are far larger than others'."""
    random = np.random.default_rng(0)

    def weights(name: str, *shape: int) -> np.ndarray:
        values = random.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))
        if name == "stem":
            values /= 50  # pixels are large
        if name == "one":
            values[::4] *= 20
        if name == "two":
            values[:, ::4] /= 20
        return values.astype(np.float32)

    def conv(name: str, source: str, target: str, side: int) -> onnx.NodeProto:
        return helper.make_node(
            "Conv", [source, f"{name}_w", f"{name}_b"], [target], name=name, kernel_shape=[side, side],
            pads=[side // 2] * 4,
        )  # fmt: skip

    nodes = [
        conv("stem", PIXELS, "c0", 3),
        helper.make_node("Relu", ["c0"], ["r0"]),
        conv("one", "r0", "c1", 1),
        helper.make_node("Relu", ["c1"], ["r1"]),
        conv("two", "r1", "c2", 3),
        helper.make_node("Relu", ["c2"], ["r2"]),
        conv("three", "r2", "c3", 1),
        helper.make_node("Add", ["c3", "r0"], ["sum"]),
        helper.make_node("Relu", ["sum"], ["r3"]),
        helper.make_node("GlobalAveragePool", ["r3"], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("Gemm", ["f", "head_w", "head_b"], [OUTPUT], name="head", transB=1),
    ]
    shapes = {
        "stem": (CHANNELS, 3, 3, 3),
        "one": (CHANNELS, CHANNELS, 1, 1),
        "two": (CHANNELS, CHANNELS, 3, 3),
        "three": (CHANNELS, CHANNELS, 1, 1),
        "head": (CLASSES, CHANNELS),
    }
    tensors = [numpy_helper.from_array(weights(name, *shape), f"{name}_w") for name, shape in shapes.items()]
    tensors += [numpy_helper.from_array(np.full(shape[0], 0.1, np.float32), f"{n}_b") for n, shape in shapes.items()]
    graph = helper.make_graph(
        nodes,
        "core",
        [helper.make_tensor_value_info(PIXELS, TensorProto.FLOAT, ["batch", 3, SIZE, SIZE])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["batch", CLASSES])],
        tensors,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (33, SIZE, SIZE, 3), dtype=np.uint8)


def logits_of(model: onnx.ModelProto, images: np.ndarray) -> np.ndarray:
    return OnnxNetwork(with_byte_input(model)).logits(images)


def imbalance(model: onnx.ModelProto) -> float:
    """By how much a channel's largest weights in front of a ReLU differ from those behind it; the worst channel."""
    tensors = {tensor.name: np.abs(numpy_helper.to_array(tensor)) for tensor in model.graph.initializer}
    ratios = [
        tensors[before.input[1]].max(axis=(1, 2, 3)) / tensors[after.input[1]].max(axis=(0, 2, 3))
        for before, after in _pairs(model)
    ]
    return max(float(np.abs(np.log(ratio)).max()) for ratio in ratios)


def test_equalisation_leaves_the_float_network_as_it_is(core: onnx.ModelProto, images: np.ndarray) -> None:
    # What the block's way past takes as well must stay, and so the stem and the last convolution are in no pair.
    assert [(before.name, after.name) for before, after in _pairs(core)] == [("one", "two"), ("two", "three")]
    before = core.SerializeToString(deterministic=True)
    found = equalize_weights(core)
    assert core.SerializeToString(deterministic=True) == before
    expected = logits_of(core, images)
    assert expected.std() > 0.1
    assert np.allclose(logits_of(found, images), expected, atol=1e-4)
    assert imbalance(core) > 3
    assert imbalance(found) < 0.01


@pytest.mark.parametrize("tensorrt", [False, True])
def test_bias_correction_takes_the_mean_error_of_rounded_weights_away(
    tensorrt: bool, core: onnx.ModelProto, images: np.ndarray
) -> None:
    ranges = find_ranges(collect_histograms(core, [images], len(images)), "minmax")
    plain = quantize(core, ranges, tensorrt=tensorrt)
    errors = bias_errors(core, plain, images)
    assert {layer: len(error) for layer, error in errors.items()} == {
        layer: CLASSES if layer == "head" else CHANNELS for layer in LAYERS
    }
    expected = logits_of(core, images)

    def mean_error(model: onnx.ModelProto) -> float:
        found = OnnxNetwork(with_byte_input(model, plain=tensorrt)).logits(images)
        return float(np.abs((found - expected).mean(axis=0)).mean())

    assert mean_error(quantize(core, ranges, tensorrt=tensorrt, errors=errors)) < 0.5 * mean_error(plain)


def test_layers_that_stay_in_float_are_not_corrected(core: onnx.ModelProto, images: np.ndarray) -> None:
    ranges = find_ranges(collect_histograms(core, [images], len(images)), "minmax")
    errors = bias_errors(core, quantize(core, ranges, keep=["two"]), images)
    assert errors.keys() == {*LAYERS} - {"two"}
    all_in_float = [quantize(core, ranges, keep=LAYERS, errors=given) for given in (errors, None)]
    assert np.array_equal(*(logits_of(model, images) for model in all_in_float))


def test_corrections_are_added_to_biases(core: onnx.ModelProto, images: np.ndarray) -> None:
    before = logits_of(core, images)
    error = np.array([1.0, -2.0, 0.5, 0.0, 3.0])
    assert np.allclose(logits_of(add_to_biases(core, {"head": error}), images) - before, error, atol=1e-5)
    assert np.array_equal(logits_of(core, images), before)
