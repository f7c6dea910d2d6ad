"""A model file for tests: a graph without trained weights, with the same contract as real files and known answers."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper

from runtime.inference.model_file import FAMILIARITY, INPUT, OUTPUT, ModelInfo
from runtime.photos.preprocessing import Preprocessing

INFO = ModelInfo(classes=("red", "green", "blue"), preprocessing=Preprocessing(size=16, crop_pct=1.0), precision="fp32")


def tiny_model(
    info: ModelInfo = INFO, *, size: int = 16, classes: int = 3, batch: int | str = "batch", familiarity: bool = False
) -> ModelProto:
    """Return a model whose logits are the mean of each colour divided by 25: a red photo gets the class ``red``.

    With ``familiarity``, it has the second output: the mean of the brightest colour divided by 255.
    """
    weights = np.eye(3, classes, dtype=np.float32) / 25
    nodes = [
        helper.make_node("Cast", [INPUT], ["float"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["float", "axes"], ["means"], keepdims=0),
        helper.make_node("MatMul", ["means", "weights"], [OUTPUT]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(INPUT, TensorProto.UINT8, [batch, size, size, 3])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, [batch, classes])],
        [numpy_helper.from_array(np.array([1, 2]), "axes"), numpy_helper.from_array(weights, "weights")],
    )
    if familiarity:
        graph.node.extend(
            [
                helper.make_node("ReduceMax", ["means", "last"], ["brightest"], keepdims=0),
                helper.make_node("Mul", ["brightest", "part"], [FAMILIARITY]),
            ]
        )
        graph.initializer.append(numpy_helper.from_array(np.array([1]), "last"))
        graph.initializer.append(numpy_helper.from_array(np.array(1 / 255, np.float32), "part"))
        graph.output.append(helper.make_tensor_value_info(FAMILIARITY, TensorProto.FLOAT, [batch]))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    helper.set_model_props(model, info.to_metadata())
    return model


def save_tiny_model(path: Path, *, with_familiarity: bool = False, **changes: Any) -> Path:
    """Write the tiny model, its metadata changed by ``changes``, and return ``path``."""
    path.write_bytes(tiny_model(replace(INFO, **changes), familiarity=with_familiarity).SerializeToString())
    return path
