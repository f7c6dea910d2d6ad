"""Cross-layer equalization: a repair of the weights that does not change the float network.

Source: Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction", ICCV 2019. Whether it
improves INT8 depends on the network, so `export.quantization.search` tries it.
"""

from collections.abc import Iterator

import numpy as np
import onnx
from onnx import numpy_helper

MAX_ROUNDS = 20
"""Passes over all pairs. More than one is needed, because the middle convolution of a block belongs to two pairs."""
TOLERANCE = 1e-3
"""The passes end when no scale changes by more than this."""


def equalize_weights(core: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy of ``core`` in which paired convolutions have equal weight ranges for each shared channel.

    Between two convolutions with only a ReLU between them, the output channel of the first can be divided by a positive
    number and the input channel of the second multiplied by it. The number used makes the largest weights of the
    channel equal on both sides.
    """
    model = onnx.ModelProto()
    model.CopyFrom(core)
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    values = {
        name: numpy_helper.to_array(tensors[name]).copy()
        for pair in equalizable_pairs(model)
        for node in pair
        for name in node.input[1:]
    }
    for _ in range(MAX_ROUNDS):
        change = 0.0
        for first, second in equalizable_pairs(model):
            first_weights, second_weights = values[first.input[1]], values[second.input[1]]
            first_max = np.abs(first_weights).max(axis=(1, 2, 3))
            second_max = np.abs(second_weights).max(axis=(0, 2, 3))
            used = (first_max > 0) & (second_max > 0)
            scale = np.sqrt(np.divide(first_max, second_max, out=np.ones_like(first_max), where=used))
            first_weights /= scale[:, None, None, None]
            second_weights *= scale[None, :, None, None]
            if len(first.input) > 2:
                values[first.input[2]] /= scale
            change = max(change, float(np.abs(scale - 1).max()))
        if change < TOLERANCE:
            break
    for name, value in values.items():
        tensors[name].CopyFrom(numpy_helper.from_array(value, name))
    return model


def equalizable_pairs(model: onnx.ModelProto) -> Iterator[tuple[onnx.NodeProto, onnx.NodeProto]]:
    """Yield the pairs of convolutions with only a ReLU between them, whose output no other node reads."""
    consumers: dict[str, list[onnx.NodeProto]] = {}
    for node in model.graph.node:
        for name in node.input:
            consumers.setdefault(name, []).append(node)

    def only_consumer(node: onnx.NodeProto, operator: str) -> onnx.NodeProto | None:
        nodes = consumers.get(node.output[0], [])
        return nodes[0] if len(nodes) == 1 and nodes[0].op_type == operator else None

    for node in model.graph.node:
        relu = only_consumer(node, "Relu") if node.op_type == "Conv" else None
        second = only_consumer(relu, "Conv") if relu is not None else None
        if second is not None and all(attr.i == 1 for attr in second.attribute if attr.name == "group"):
            yield node, second
