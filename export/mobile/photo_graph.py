"""Photo in, names out: a model file's network between the photo's geometry and the answer, in one graph."""

import numpy as np
import onnx
from onnx import TensorProto, helper

from export.graph.float_graph import OPSET
from export.graph.node_builder import NodeBuilder
from export.mobile.centre_crop import add_centre_square
from runtime.errors import ModelError
from runtime.inference.model_file import INPUT, OUTPUT, ModelInfo

PHOTO = "photo"
"""The input: uint8, RGB."""
NAMES, PROBABILITIES, INDICES, UNCERTAIN = "names", "probabilities", "indices", "uncertain"
TOP = 5
"""Classes in an answer; all of them, where a model knows fewer."""


def photo_graph(model: onnx.ModelProto, info: ModelInfo, *, any_size: bool) -> onnx.ModelProto:
    """``model`` as an app wants it.

    One input, ``photo``: uint8, RGB; shape (height, width, 3), or (1, size, size, 3) if not ``any_size``. It must be
    upright. Outputs, the most probable class first:

    * ``names``: string, shape (5,);
    * ``probabilities``: float32, shape (5,);
    * ``indices``: int64, shape (5,), positions in the list of all names;
    * ``uncertain``: uint8, shape (1,), 1 where even the first is below the model's threshold.

    Raises:
        ModelError: the model is of another opset than this project's exports.
    """
    opsets = {entry.domain: entry.version for entry in model.opset_import}
    if opsets.get("") != OPSET:
        raise ModelError(f"the model has opset {opsets.get('')}, not {OPSET}; export it again")
    size, classes = info.preprocessing.size, len(info.classes)
    before, after = NodeBuilder("intake_photo"), NodeBuilder("answer")
    if any_size:
        add_centre_square(before, PHOTO, INPUT, info.preprocessing)
        shape: list[int | str | None] = ["height", "width", 3]
    else:
        before.add("Identity", PHOTO, output=INPUT)
        shape = [1, size, size, 3]
    top = _add_answer(after, info)
    graph = helper.make_graph(
        [*before.nodes, *model.graph.node, *after.nodes],
        "flowers",
        [helper.make_tensor_value_info(PHOTO, TensorProto.UINT8, shape)],
        [
            helper.make_tensor_value_info(NAMES, TensorProto.STRING, [top]),
            helper.make_tensor_value_info(PROBABILITIES, TensorProto.FLOAT, [top]),
            helper.make_tensor_value_info(INDICES, TensorProto.INT64, [top]),
            helper.make_tensor_value_info(UNCERTAIN, TensorProto.UINT8, [1]),
        ],
        [*model.graph.initializer, *before.initializers, *after.initializers],
        value_info=[helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, [1, classes])],
    )
    built = helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
    built.producer_name = "flower-edge"
    onnx.checker.check_model(built, full_check=True)
    return built


def _add_answer(nodes: NodeBuilder, info: ModelInfo) -> int:
    """Append what makes logits into the outputs; returns how many classes an answer has."""
    top = min(TOP, len(info.classes))
    logits = nodes.add("Reshape", OUTPUT, nodes.integers(len(info.classes)))
    probabilities = nodes.add("Softmax", nodes.add("Div", logits, nodes.floats(info.temperature)), axis=0)
    nodes.nodes.append(
        helper.make_node(
            "TopK", [probabilities, nodes.integers(top)], [PROBABILITIES, INDICES], name="answer_top", axis=0
        )
    )
    nodes.add("Gather", nodes.names(info.classes), INDICES, output=NAMES, axis=0)
    best = nodes.add("Slice", PROBABILITIES, nodes.integers(0), nodes.integers(1))
    unsure = nodes.add("Less", best, nodes.floats(_rounded_up(info.threshold)))
    # uint8 and not bool: the Objective-C interface of onnxruntime has no bool.
    nodes.add("Cast", unsure, output=UNCERTAIN, to=TensorProto.UINT8)
    return top


def _rounded_up(threshold: float) -> float:
    """The least float32 that is not below ``threshold``: against it, float32 probabilities compare as the runtime's."""
    rounded = np.float32(threshold)
    # In Python's floats: numpy would round the threshold to compare it.
    return float(rounded if float(rounded) >= threshold else np.nextafter(rounded, np.float32(2)))
