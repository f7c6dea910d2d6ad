"""The byte input: the bytes of a photo are the quantized pixels, if that is what the graph makes of them."""

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from export.graph.byte_input import with_byte_input
from export.graph.interface import PIXELS
from export.graph.networks import OnnxNetwork
from export.quantization.activations import ActivationReader
from export.quantization.calibration import collect_histograms
from export.quantization.int8 import quantize
from export.quantization.ranges import find_ranges
from runtime.inference.model_file import OUTPUT
from tests.export.small_networks import random_images, three_layer_network

SCALE, ZERO = f"{PIXELS}_scale", f"{PIXELS}_zero_point"


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return random_images(6)


@pytest.fixture
def quantized(images: np.ndarray) -> onnx.ModelProto:
    core = three_layer_network()
    return quantize(core, find_ranges(collect_histograms(core, [images], len(images)), "minmax"))


def quantizers_of_pixels(model: onnx.ModelProto) -> int:
    return sum(node.op_type == "QuantizeLinear" and node.input[0] == PIXELS for node in model.graph.node)


def test_byte_input_does_not_change_the_given_graph() -> None:
    core = three_layer_network()
    before = core.SerializeToString(deterministic=True)
    for use_cast in (False, True):
        model = with_byte_input(core, use_cast=use_cast)
        assert model.graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.UINT8
    assert core.SerializeToString(deterministic=True) == before


@pytest.mark.parametrize("change", ["none", "scale", "zero point", "second reader"])
def test_only_a_quantizer_to_the_bytes_themselves_is_replaced(
    change: str, quantized: onnx.ModelProto, images: np.ndarray
) -> None:
    graph = quantized.graph
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    if change == "scale":
        tensors[SCALE].CopyFrom(numpy_helper.from_array(np.array(1.25, np.float32), SCALE))
    elif change == "zero point":
        tensors[ZERO].CopyFrom(numpy_helper.from_array(np.array(100, np.uint8), ZERO))
    elif change == "second reader":  # as if a first layer stayed in float
        (dequantizer,) = (node for node in graph.node if node.input[0] == f"{PIXELS}_QuantizeLinear_Output")
        (convolution,) = (node for node in graph.node if node.input[0] == dequantizer.output[0])
        convolution.input[0] = PIXELS
    expected = ActivationReader(quantized, [OUTPUT]).read(images)[OUTPUT]
    model = with_byte_input(quantized)
    assert quantizers_of_pixels(model) == (change != "none")
    assert OnnxNetwork(model).logits(images) == pytest.approx(expected, abs=0.1 * float(expected.std()))
