"""One graph from the photo to the names: the crop and resize, the model file's network, and the answer."""

import numpy as np
import onnx
from onnx import TensorProto, helper

from export.graph.interface import OPSET
from export.graph.node_builder import NodeBuilder
from export.mobile.centre_crop import add_centre_square
from runtime.answers.answer import Verdict
from runtime.errors import ModelError
from runtime.inference.model_file import FAMILIARITY, INPUT, OUTPUT, PRODUCER, ModelInfo

PHOTO = "photo"
"""Name of the input."""
NAMES, PROBABILITIES, INDICES, UNCERTAIN = "names", "probabilities", "indices", "uncertain"
VERDICT = "verdict"
VERDICTS: tuple[Verdict, ...] = ("name", "between", "unfamiliar")
"""The meaning of the output ``verdict``: 0, 1, 2."""
TOP = 5
"""Classes in an answer, or all classes if the model has fewer."""


def build_photo_graph(model: onnx.ModelProto, info: ModelInfo, *, any_size: bool) -> onnx.ModelProto:
    """Return ``model`` with the crop and resize before its network, and the choice of the answer after it.

    The graph has one input, ``photo``: uint8, RGB, upright. With ``any_size``, its shape is (height, width, 3);
    otherwise (1, size, size, 3), which is the centre square, resized. The graph has these outputs, the most probable
    class first:

    * ``names``: string, shape (5,);
    * ``probabilities``: float32, shape (5,);
    * ``indices``: int64, shape (5,), positions in the list of all classes;
    * ``uncertain``: uint8, shape (1,), 1 unless the verdict is a name;
    * ``verdict``: uint8, shape (1,), an index into `VERDICTS`; a model without familiarity gives 0 and 1 only;
    * ``familiarity``: float32, shape (1,), only if the model has it.

    Raises:
        ModelError: the model does not have the opset of this project's exports.
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
    has_familiarity = FAMILIARITY in {output.name for output in model.graph.output}
    top = _add_answer(after, info, has_familiarity=has_familiarity)
    familiarity = helper.make_tensor_value_info(FAMILIARITY, TensorProto.FLOAT, [1])
    graph = helper.make_graph(
        [*before.nodes, *model.graph.node, *after.nodes],
        "flowers",
        [helper.make_tensor_value_info(PHOTO, TensorProto.UINT8, shape)],
        [
            helper.make_tensor_value_info(NAMES, TensorProto.STRING, [top]),
            helper.make_tensor_value_info(PROBABILITIES, TensorProto.FLOAT, [top]),
            helper.make_tensor_value_info(INDICES, TensorProto.INT64, [top]),
            helper.make_tensor_value_info(UNCERTAIN, TensorProto.UINT8, [1]),
            helper.make_tensor_value_info(VERDICT, TensorProto.UINT8, [1]),
            *([familiarity] if has_familiarity else []),
        ],
        [*model.graph.initializer, *before.initializers, *after.initializers],
        value_info=[helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, [1, classes])],
    )
    built = helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
    built.producer_name = PRODUCER
    onnx.checker.check_model(built, full_check=True)
    return built


def _add_answer(nodes: NodeBuilder, info: ModelInfo, *, has_familiarity: bool) -> int:
    """Append the nodes from the logits to the outputs, and return the number of classes in an answer."""
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
    name, between = (nodes.constant(np.array([VERDICTS.index(verdict)])) for verdict in ("name", "between"))
    code = nodes.add("Where", nodes.add("Less", best, nodes.floats(_round_up(info.threshold))), between, name)
    if has_familiarity:
        unfamiliar = nodes.constant(np.array([VERDICTS.index("unfamiliar")]))
        strange = nodes.add("Less", FAMILIARITY, nodes.floats(_round_up(info.familiarity_threshold)))
        code = nodes.add("Where", strange, unfamiliar, code)
    # uint8, because the Objective-C interface of onnxruntime has no bool.
    nodes.add("Cast", code, output=VERDICT, to=TensorProto.UINT8)
    nodes.add("Cast", nodes.add("Greater", code, name), output=UNCERTAIN, to=TensorProto.UINT8)
    return top


def _round_up(threshold: float) -> float:
    """Return the smallest float32 that is not below ``threshold``.

    A float32 value is below it exactly if the runtime, which compares in float64, finds it below ``threshold``.
    """
    rounded = np.float32(threshold)
    # Compared as Python floats, because numpy would round the threshold to float32 first.
    return float(rounded if float(rounded) >= threshold else np.nextafter(rounded, np.float32(2)))
