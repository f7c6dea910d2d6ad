"""The float weights in a model file, which an INT8 file holds as whole numbers with scales."""

import numpy as np
import onnx
from onnx import numpy_helper

from runtime.errors import ModelError

Layers = dict[str, tuple[np.ndarray, np.ndarray]]
"""Torchvision's name of a convolution or of the head → its weights and its biases, float32. BatchNorm is in both."""


def float_weights(model: onnx.ModelProto, name: str) -> Layers:
    """Return the weights and the biases of all convolutions and of the head.

    Args:
        model: FP32, FP16 or INT8, from ``python -m export``.
        name: of its file, for the message.

    Raises:
        ModelError: a layer has no weights of the expected form.
    """
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    makers = {output: node for node in model.graph.node for output in node.output}

    def constant(tensor: str) -> np.ndarray:
        node = makers.get(tensor)
        if node is not None and node.op_type == "Cast":
            tensor = node.input[0]
            node = makers.get(tensor)
        if node is None:
            return numpy_helper.to_array(tensors[tensor]).astype(np.float32)
        if node.op_type != "DequantizeLinear":
            raise KeyError(tensor)
        numbers, scale, zero = (numpy_helper.to_array(tensors[part]) for part in node.input)
        # A scale for each output channel, the first axis, or one for all.
        shape = (-1, *[1] * (numbers.ndim - 1)) if scale.ndim else ()
        difference = numbers.astype(np.float32) - zero.astype(np.float32).reshape(shape)
        return difference * scale.astype(np.float32).reshape(shape)

    layers = {}
    for node in model.graph.node:
        if node.op_type in ("Conv", "Gemm"):
            layer = node.input[1].partition(".weight")[0]
            try:
                weights = constant(node.input[1])
                # The exporter leaves out biases that are all zero.
                biases = constant(node.input[2]) if len(node.input) > 2 else np.zeros(len(weights), np.float32)
                layers[layer] = weights, biases
            except (KeyError, IndexError, ValueError, TypeError):
                raise ModelError(
                    f"{name}: the layer {layer[:80]!r} has no weights of the expected form; give a file of this toolkit"
                ) from None
    return layers
