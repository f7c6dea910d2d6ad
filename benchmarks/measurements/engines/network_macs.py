"""The multiply-accumulates (MACs) of a model file, counted in its graph."""

from math import prod
from pathlib import Path

import onnx

from export.graph.onnx_files import read_onnx

CONVOLUTION, PRODUCTS = "Conv", ("Gemm", "MatMul")


def count_model_macs(path: Path) -> int:
    """Return the multiply-accumulates of all convolutions and matrix products for one photograph.

    Args:
        path: a model file, FP32 or INT8 in the QDQ form.

    Raises:
        ModelError: the file cannot be read.
    """
    model = read_onnx(path)
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    return graph_macs(model)


def graph_macs(model: onnx.ModelProto) -> int:
    """Return the multiply-accumulates of a graph whose inputs have fixed shapes."""
    graph = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    shapes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    for value in (*graph.input, *graph.value_info, *graph.output):
        shapes[value.name] = tuple(side.dim_value for side in value.type.tensor_type.shape.dim)
    total = 0
    for node in graph.node:
        if node.op_type == CONVOLUTION:
            # A weight has the shape (outputs, inputs of a group, height, width): all but the first for one output.
            total += prod(shapes[node.output[0]]) * prod(shapes[node.input[1]][1:])
        elif node.op_type in PRODUCTS:
            transposed = any(each.name == "transA" and each.i for each in node.attribute)
            total += prod(shapes[node.output[0]]) * shapes[node.input[0]][0 if transposed else -1]
    return total
