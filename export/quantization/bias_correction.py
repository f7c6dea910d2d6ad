"""Bias correction: a repair that removes the mean error of each layer's rounded weights.

Source: Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction", ICCV 2019. The paper
derives the mean error from BatchNorm; here it is measured on photographs.
"""

from collections.abc import Mapping

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from tqdm import tqdm

from export.graph.interface import PIXELS
from export.quantization.activations import float_pixels
from runtime.inference.cpu_threads import default_threads
from runtime.inference.session import session_options

SLICE = 2
"""Photographs at a time. The activations of one slice are in memory."""


def measure_bias_corrections(core: onnx.ModelProto, int8: onnx.ModelProto, images: np.ndarray) -> dict[str, np.ndarray]:
    """Return the mean of (float output minus INT8 output) for each channel of each quantized layer.

    Both outputs are computed from the input that the layer has in the INT8 network. So the error of a layer does not
    contain the errors of the layers before it, and one pass measures all layers. Memory stays flat, because only means
    leave the network.

    Args:
        core: float pixels in, logits out (`export.graph.float_graph.build_float_graph`).
        int8: made from ``core`` by `export.quantization.int8.quantize`.
        images: uint8, shape (images, size, size, 3).

    Returns:
        Name of the layer → float64, shape (channels,). Layers that stay in float are not included.
    """
    model, outputs = _with_mean_errors(core, int8)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), session_options(default_threads()), providers=["CPUExecutionProvider"]
    )
    sums = {layer: np.zeros(1) for layer in outputs}
    bar = tqdm(total=len(images), desc="biases", unit="img", leave=False, disable=None)
    for start in range(0, len(images), SLICE):
        part = images[start : start + SLICE]
        means = session.run(list(outputs.values()), {PIXELS: float_pixels(part)})
        for layer, mean in zip(outputs, means, strict=True):
            sums[layer] = sums[layer] + len(part) * np.asarray(mean, np.float64)
        bar.update(len(part))
    bar.close()
    return {layer: total / len(images) for layer, total in sums.items()}


def add_to_biases(core: onnx.ModelProto, corrections: Mapping[str, np.ndarray]) -> onnx.ModelProto:
    """Return a copy of ``core`` with ``corrections`` (layer → shape (channels,)) added to its biases."""
    model = onnx.ModelProto()
    model.CopyFrom(core)
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.name not in corrections:
            continue
        bias = numpy_helper.to_array(tensors[node.input[2]]) if len(node.input) > 2 else 0.0
        name = f"{node.name}_corrected_bias"
        del node.input[2:]
        node.input.append(name)
        corrected = (bias + corrections[node.name]).astype(np.float32)
        model.graph.initializer.append(numpy_helper.from_array(corrected, name))
    used = {name for node in model.graph.node for name in node.input}
    for tensor in [tensor for tensor in model.graph.initializer if tensor.name not in used]:
        model.graph.initializer.remove(tensor)
    return model


def _with_mean_errors(core: onnx.ModelProto, int8: onnx.ModelProto) -> tuple[onnx.ModelProto, dict[str, str]]:
    """``int8`` with one more output for each quantized layer: the mean of its output error. Also layer → output name.

    A layer is linear in its weights. So its output error is what the layer computes with (float weights minus rounded
    weights) in the place of its weights.
    """
    model = onnx.ModelProto()
    model.CopyFrom(int8)
    graph = model.graph
    float_tensors = {tensor.name: tensor for tensor in core.graph.initializer}
    float_weights = {node.name: node.input[1] for node in core.graph.node if node.op_type in ("Conv", "Gemm")}
    int8_tensors = {tensor.name: tensor for tensor in graph.initializer}
    dequantizers = {node.output[0]: node for node in graph.node if node.op_type == "DequantizeLinear"}
    outputs = {}
    for axes in ([0], [0, 2, 3]):
        graph.initializer.append(numpy_helper.from_array(np.array(axes, np.int64), f"mean_axes_{len(axes)}"))
    for node in [node for node in graph.node if node.name in float_weights and node.input[1] in dequantizers]:
        exact = numpy_helper.to_array(float_tensors[float_weights[node.name]])
        error = exact - _dequantized_weights(dequantizers[node.input[1]], int8_tensors)
        weight_error, output_error, mean_error = (
            f"{node.name}_{part}" for part in ("weight_error", "error", "mean_error")
        )
        graph.initializer.append(numpy_helper.from_array(error, weight_error))
        layer = onnx.NodeProto()
        layer.CopyFrom(node)
        layer.name = output_error
        del layer.input[1:], layer.output[:]
        layer.input.append(weight_error)
        layer.output.append(output_error)
        axes_name = "mean_axes_3" if node.op_type == "Conv" else "mean_axes_1"
        graph.node.extend([layer, helper.make_node("ReduceMean", [output_error, axes_name], [mean_error], keepdims=0)])
        graph.output.append(helper.make_tensor_value_info(mean_error, TensorProto.FLOAT, [None]))
        outputs[node.name] = mean_error
    return model, outputs


def _dequantized_weights(dequantizer: onnx.NodeProto, tensors: Mapping[str, onnx.TensorProto]) -> np.ndarray:
    """The float weights that a DequantizeLinear node computes from int8 weights."""
    weights, scale, zero = (numpy_helper.to_array(tensors[name]) for name in dequantizer.input)
    if scale.ndim:
        shape = [1] * weights.ndim
        shape[next(attribute.i for attribute in dequantizer.attribute if attribute.name == "axis")] = -1
        scale, zero = scale.reshape(shape), zero.reshape(shape)
    dequantized: np.ndarray = (weights.astype(np.float32) - zero.astype(np.float32)) * scale
    return dequantized
