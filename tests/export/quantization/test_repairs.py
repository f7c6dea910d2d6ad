"""Repairs of weights: equalization changes nothing in float, and bias correction removes the mean error."""

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from export.graph.byte_input import with_byte_input
from export.graph.networks import OnnxNetwork
from export.quantization.bias_correction import add_to_biases, measure_bias_corrections
from export.quantization.calibration import collect_histograms
from export.quantization.int8 import quantize
from export.quantization.ranges import ActivationRanges, find_ranges
from export.quantization.weight_equalization import equalizable_pairs, equalize_weights
from tests.export.small_networks import BLOCK_CHANNELS, BLOCK_LAYERS, CLASSES, block_network, random_images


@pytest.fixture(scope="module")
def core() -> onnx.ModelProto:
    return block_network()


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return random_images(33)


@pytest.fixture(scope="module")
def ranges(core: onnx.ModelProto, images: np.ndarray) -> ActivationRanges:
    return find_ranges(collect_histograms(core, [images], len(images)), "minmax")


def logits_of(model: onnx.ModelProto, images: np.ndarray) -> np.ndarray:
    return OnnxNetwork(with_byte_input(model)).logits(images)


def largest_imbalance(model: onnx.ModelProto) -> float:
    """The largest difference, as a logarithm, of a channel's largest weights before and after a ReLU."""
    tensors = {tensor.name: np.abs(numpy_helper.to_array(tensor)) for tensor in model.graph.initializer}
    ratios = [
        tensors[first.input[1]].max(axis=(1, 2, 3)) / tensors[second.input[1]].max(axis=(0, 2, 3))
        for first, second in equalizable_pairs(model)
    ]
    return max(float(np.abs(np.log(ratio)).max()) for ratio in ratios)


def test_equalization_does_not_change_the_float_network(core: onnx.ModelProto, images: np.ndarray) -> None:
    # The skip connection reads the output of the stem and adds to that of the last convolution: they are in no pair.
    pairs = [(first.name, second.name) for first, second in equalizable_pairs(core)]
    assert pairs == [("one", "two"), ("two", "three")]
    before = core.SerializeToString(deterministic=True)
    equalized = equalize_weights(core)
    assert core.SerializeToString(deterministic=True) == before
    expected = logits_of(core, images)
    assert expected.std() > 0.1
    assert np.allclose(logits_of(equalized, images), expected, atol=1e-4)
    assert largest_imbalance(core) > 3
    assert largest_imbalance(equalized) < 0.01


@pytest.mark.parametrize("tensorrt", [False, True])
def test_bias_correction_removes_the_mean_error_of_rounded_weights(
    tensorrt: bool, core: onnx.ModelProto, images: np.ndarray, ranges: ActivationRanges
) -> None:
    uncorrected = quantize(core, ranges, tensorrt=tensorrt)
    corrections = measure_bias_corrections(core, uncorrected, images)
    assert {layer: len(values) for layer, values in corrections.items()} == {
        layer: CLASSES if layer == "head" else BLOCK_CHANNELS for layer in BLOCK_LAYERS
    }
    expected = logits_of(core, images)

    def mean_error(model: onnx.ModelProto) -> float:
        logits = OnnxNetwork(with_byte_input(model, use_cast=tensorrt)).logits(images)
        return float(np.abs((logits - expected).mean(axis=0)).mean())

    corrected = quantize(core, ranges, tensorrt=tensorrt, bias_corrections=corrections)
    assert mean_error(corrected) < 0.5 * mean_error(uncorrected)


def test_layers_in_float_are_not_corrected(core: onnx.ModelProto, images: np.ndarray, ranges: ActivationRanges) -> None:
    corrections = measure_bias_corrections(core, quantize(core, ranges, float_layers=["two"]), images)
    assert corrections.keys() == {*BLOCK_LAYERS} - {"two"}
    with_corrections, without = (
        logits_of(quantize(core, ranges, float_layers=BLOCK_LAYERS, bias_corrections=given), images)
        for given in (corrections, None)
    )
    assert np.array_equal(with_corrections, without)


def test_corrections_are_added_to_biases(core: onnx.ModelProto, images: np.ndarray) -> None:
    before = logits_of(core, images)
    correction = np.array([1.0, -2.0, 0.5, 0.0, 3.0])
    assert np.allclose(logits_of(add_to_biases(core, {"head": correction}), images) - before, correction, atol=1e-5)
    assert np.array_equal(logits_of(core, images), before)
