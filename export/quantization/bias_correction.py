"""TODO from export.quantization.weight_equalization."""

from collections.abc import Mapping

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from tqdm import tqdm

from export.quantization.histograms import SingleBatchReader
from runtime.inference.cpu_threads import default_threads
from runtime.inference.session import session_options

SLICE = 2
"""Photographs at a time while biases are measured: a network's activations for them are in memory."""


def bias_errors(core: onnx.ModelProto, int8: onnx.ModelProto, images: np.ndarray) -> dict[str, np.ndarray]:
    """By how much rounded weights shift each channel of each layer on average: float output less INT8 output.

    Both are of the input that the layer has in the INT8 network. So a layer's error does not hold those of the layers
    in front of it, and one pass finds all of them. Only the means leave the network, so memory stays flat.

    Args:
        core: float pixels in, logits out (`export.graph.float_graph.build_float_graph`).
        int8: made from it by `export.quantization.int8.quantize`.
        images: uint8, shape (images, size, size, 3).

    Returns:
        By the name of the layer: float64, shape (channels,). Layers that stay in float are left out.
    """
    watched, outputs = _watching_errors(core, int8)
    session = onnxruntime.InferenceSession(
        watched.SerializeToString(), session_options(default_threads()), providers=["CPUExecutionProvider"]
    )
    sums = {layer: np.zeros(1) for layer in outputs}
    bar = tqdm(total=len(images), desc="biases", unit="img", leave=False, disable=None)
    for start in range(0, len(images), SLICE):
        part = images[start : start + SLICE]
        means = session.run(list(outputs.values()), SingleBatchReader(part).get_next())
        for layer, mean in zip(outputs, means, strict=True):
            sums[layer] = sums[layer] + len(part) * np.asarray(mean, np.float64)
        bar.update(len(part))
    bar.close()
    return {layer: total / len(images) for layer, total in sums.items()}


def _watching_errors(core: onnx.ModelProto, int8: onnx.ModelProto) -> tuple[onnx.ModelProto, dict[str, str]]:
    """``int8`` with an output more for each rounded layer: the mean of what its weights' errors make of its input.

    Layers are linear in their weights, so that is the error of the layer's output.
    """
    model = onnx.ModelProto()
    model.CopyFrom(int8)
    graph = model.graph
    exact = {tensor.name: tensor for tensor in core.graph.initializer}
    weights = {node.name: node.input[1] for node in core.graph.node if node.op_type in ("Conv", "Gemm")}
    rounded = {tensor.name: tensor for tensor in graph.initializer}
    makers = {node.output[0]: node for node in graph.node if node.op_type == "DequantizeLinear"}
    outputs = {}
    for axes in ([0], [0, 2, 3]):
        graph.initializer.append(numpy_helper.from_array(np.array(axes, np.int64), f"mean_axes_{len(axes)}"))
    for node in [node for node in graph.node if node.name in weights and node.input[1] in makers]:
        maker = makers[node.input[1]]
        error = numpy_helper.to_array(exact[weights[node.name]]) - _dequantized(maker, rounded)
        names = [f"{node.name}_{part}" for part in ("weight_error", "error", "mean_error")]
        graph.initializer.append(numpy_helper.from_array(error, names[0]))
        layer = onnx.NodeProto()
        layer.CopyFrom(node)
        layer.name = names[1]
        del layer.input[1:], layer.output[:]
        layer.input.append(names[0])
        layer.output.append(names[1])
        axes_name = "mean_axes_3" if node.op_type == "Conv" else "mean_axes_1"
        graph.node.extend([layer, helper.make_node("ReduceMean", [names[1], axes_name], [names[2]], keepdims=0)])
        graph.output.append(helper.make_tensor_value_info(names[2], TensorProto.FLOAT, [None]))
        outputs[node.name] = names[2]
    return model, outputs


def _dequantized(maker: onnx.NodeProto, tensors: Mapping[str, onnx.TensorProto]) -> np.ndarray:
    """The float weights that a DequantizeLinear node makes of int8 ones."""
    whole, scale, zero = (numpy_helper.to_array(tensors[name]) for name in maker.input)
    if scale.ndim:
        shape = [1] * whole.ndim
        shape[next(attribute.i for attribute in maker.attribute if attribute.name == "axis")] = -1
        scale, zero = scale.reshape(shape), zero.reshape(shape)
    return (whole.astype(np.float32) - zero.astype(np.float32)) * scale


def add_to_biases(core: onnx.ModelProto, errors: Mapping[str, np.ndarray]) -> onnx.ModelProto:
    """A copy of ``core`` with ``errors`` (layer → shape (channels,)) added to its biases."""
    model = onnx.ModelProto()
    model.CopyFrom(core)
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.name not in errors:
            continue
        before = numpy_helper.to_array(tensors[node.input[2]]) if len(node.input) > 2 else 0.0
        name = f"{node.name}_corrected_bias"
        del node.input[2:]
        node.input.append(name)
        model.graph.initializer.append(numpy_helper.from_array((before + errors[node.name]).astype(np.float32), name))
    used = {name for node in model.graph.node for name in node.input}
    for tensor in [tensor for tensor in model.graph.initializer if tensor.name not in used]:
        model.graph.initializer.remove(tensor)
    return model
