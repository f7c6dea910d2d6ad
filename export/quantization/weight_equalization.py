"""Repairs of weights before they are rounded to INT8, which leave the float network as it is.

Both are from Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction", ICCV 2019; the
bias correction is measured on photographs. Whether they pay depends on the network, so `export.quantization.search` tries them.
"""

from collections.abc import Iterator

import numpy as np
import onnx
from onnx import numpy_helper

ROUNDS = 20
"""Of equalisation: a convolution in the middle of a block belongs to two pairs."""


SETTLED = 1e-3
"""Largest change of a scale at which equalisation ends."""


def equalize_weights(core: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of ``core`` in which no channel between two convolutions has far larger weights than its neighbours.

    Where a ReLU alone is between two convolutions, a channel may be divided by any number in front of it and multiplied
    by it behind. It is the one with which the channel's largest weights are equal on both sides.
    """
    model = onnx.ModelProto()
    model.CopyFrom(core)
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    values = {
        name: numpy_helper.to_array(tensors[name]).copy()
        for pair in _pairs(model)
        for node in pair
        for name in node.input[1:]
    }
    for _ in range(ROUNDS):
        change = 0.0
        for before, after in _pairs(model):
            first, second = values[before.input[1]], values[after.input[1]]
            here, there = np.abs(first).max(axis=(1, 2, 3)), np.abs(second).max(axis=(0, 2, 3))
            used = (here > 0) & (there > 0)
            scale = np.sqrt(np.divide(here, there, out=np.ones_like(here), where=used))
            first /= scale[:, None, None, None]
            second *= scale[None, :, None, None]
            if len(before.input) > 2:
                values[before.input[2]] /= scale
            change = max(change, float(np.abs(scale - 1).max()))
        if change < SETTLED:
            break
    for name, value in values.items():
        tensors[name].CopyFrom(numpy_helper.from_array(value, name))
    return model


def _pairs(model: onnx.ModelProto) -> Iterator[tuple[onnx.NodeProto, onnx.NodeProto]]:
    """The convolutions with nothing but a ReLU between them, whose output nothing else takes."""
    takers: dict[str, list[onnx.NodeProto]] = {}
    for node in model.graph.node:
        for name in node.input:
            takers.setdefault(name, []).append(node)

    def only_taker(node: onnx.NodeProto, operator: str) -> onnx.NodeProto | None:
        found = takers.get(node.output[0], [])
        return found[0] if len(found) == 1 and found[0].op_type == operator else None

    for node in model.graph.node:
        relu = only_taker(node, "Relu") if node.op_type == "Conv" else None
        after = only_taker(relu, "Conv") if relu is not None else None
        if after is not None and all(attribute.i == 1 for attribute in after.attribute if attribute.name == "group"):
            yield node, after
