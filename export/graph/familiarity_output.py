"""The second output of a model file: how familiar the photo is; and the features that it is computed from."""

import math

import onnx
from onnx import TensorProto, helper

from export.confidence.class_distance import ClassDistance
from export.errors import ExportError
from export.graph.node_builder import NodeBuilder
from runtime.inference.model_file import FAMILIARITY, OUTPUT

HEAD_OPERATORS = ("Gemm", "MatMul")
SMALLEST_LENGTH = 1e-12
FEATURES = "features"
"""Name of the output of `with_features`. Model files do not have it."""


def with_familiarity(model: onnx.ModelProto, distance: ClassDistance) -> onnx.ModelProto:
    """Return a copy of ``model`` with the output ``familiarity``, float32, shape (batch,).

    The nodes compute `ClassDistance.familiarity` of the features that the head takes, in float32, for a network of any
    precision.

    Raises:
        ExportError: the graph has no head.
    """
    nodes = NodeBuilder(FAMILIARITY)
    features = nodes.add("Cast", _head_input(model.graph), to=TensorProto.FLOAT)
    length = nodes.add("Sqrt", nodes.add("ReduceSumSquare", features, nodes.integers(1), keepdims=1))
    unit = nodes.add("Div", features, nodes.add("Max", length, nodes.floats(SMALLEST_LENGTH)))
    # Stored as float16. onnxruntime converts it once, when it opens the model.
    directions = nodes.add("Cast", nodes.constant(distance.directions), to=TensorProto.FLOAT)
    projected = nodes.add("MatMul", unit, directions)
    best = nodes.add("ArgMax", OUTPUT, axis=1, keepdims=0)
    centre = nodes.add("Gather", nodes.constant(distance.centres), best, axis=0)
    deviation = nodes.add("Sub", projected, centre)
    weighted = nodes.add("Mul", nodes.add("Mul", deviation, deviation), nodes.constant(distance.precisions))
    within = nodes.add("ReduceSum", weighted, nodes.integers(1), keepdims=0)
    covered = nodes.add("ReduceSumSquare", projected, nodes.integers(1), keepdims=0)
    rest = nodes.add("Mul", nodes.add("Sub", nodes.floats(1), covered), nodes.floats(distance.rest_precision))
    exponent = nodes.add("Mul", nodes.add("Add", within, rest), nodes.floats(-math.log(2) / distance.scale))
    nodes.add("Exp", exponent, output=FAMILIARITY)
    batch = model.graph.input[0].type.tensor_type.shape.dim[0]
    return _with_output(model, nodes, FAMILIARITY, [batch.dim_param or batch.dim_value or "batch"])


def with_features(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy of ``model`` with the output `FEATURES`: what the head takes, float32, shape (batch, features).

    Raises:
        ExportError: the graph has no head.
    """
    nodes = NodeBuilder(FEATURES)
    nodes.add("Cast", _head_input(model.graph), output=FEATURES, to=TensorProto.FLOAT)
    return _with_output(model, nodes, FEATURES, None)


def _with_output(
    model: onnx.ModelProto, nodes: NodeBuilder, name: str, shape: list[str | int] | None
) -> onnx.ModelProto:
    """Return a copy of ``model`` with the nodes and a float32 output that they compute."""
    result = onnx.ModelProto()
    result.CopyFrom(model)
    result.graph.node.extend(nodes.nodes)
    result.graph.initializer.extend(nodes.initializers)
    result.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
    return result


def _head_input(graph: onnx.GraphProto) -> str:
    """Return the name of the tensor that the head takes, found from the output back."""
    producers = {output: node for node in graph.node for output in node.output}
    name = OUTPUT
    while name in producers:
        node = producers[name]
        name = str(node.input[0])
        if node.op_type in HEAD_OPERATORS:
            return name
    raise ExportError("the graph has no head (Gemm or MatMul) before its output; nothing was written")
