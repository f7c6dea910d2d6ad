"""Small networks in the form of a core graph (float pixels in, logits out), with random weights."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from export.graph.interface import OPSET, PIXELS
from runtime.inference.model_file import OUTPUT

SIZE = 16
CLASSES = 5
THREE_LAYERS = ["first", "second", "head"]
BLOCK_LAYERS = ["stem", "one", "two", "three", "head"]
BLOCK_CHANNELS = 16


def three_layer_network() -> onnx.ModelProto:
    """Two convolutions and a head, without biases but in the head."""
    random = np.random.default_rng(0)

    def weight(name: str, *shape: int) -> onnx.TensorProto:
        return numpy_helper.from_array((random.standard_normal(shape) / np.sqrt(shape[1])).astype(np.float32), name)

    nodes = [
        helper.make_node("Conv", [PIXELS, "w1"], ["c1"], name="first", kernel_shape=[3, 3]),
        helper.make_node("Relu", ["c1"], ["r1"], name="relu1"),
        helper.make_node("Conv", ["r1", "w2"], ["c2"], name="second", kernel_shape=[1, 1]),
        helper.make_node("Relu", ["c2"], ["r2"], name="relu2"),
        helper.make_node("GlobalAveragePool", ["r2"], ["p"], name="pool"),
        helper.make_node("Flatten", ["p"], ["f"], name="flatten"),
        helper.make_node("Gemm", ["f", "w3", "b3"], [OUTPUT], name="head", transB=1),
    ]
    tensors = [
        weight("w1", 8, 3, 3, 3),
        weight("w2", 8, 8, 1, 1),
        weight("w3", CLASSES, 8),
        numpy_helper.from_array(np.zeros(CLASSES, np.float32), "b3"),
    ]
    return _as_core(nodes, tensors)


def block_network() -> onnx.ModelProto:
    """A stem, a bottleneck block with its skip connection, and a head. Some channels have far larger weights."""
    random = np.random.default_rng(0)

    def weights(name: str, *shape: int) -> np.ndarray:
        values = random.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))
        if name == "stem":
            values /= 50  # because pixels are large
        if name == "one":
            values[::4] *= 20
        if name == "two":
            values[:, ::4] /= 20
        rounded: np.ndarray = values.astype(np.float32)
        return rounded

    def conv(name: str, source: str, target: str, side: int) -> onnx.NodeProto:
        inputs = [source, f"{name}_w", f"{name}_b"]
        return helper.make_node("Conv", inputs, [target], name=name, kernel_shape=[side, side], pads=[side // 2] * 4)

    nodes = [
        conv("stem", PIXELS, "c0", 3),
        helper.make_node("Relu", ["c0"], ["r0"]),
        conv("one", "r0", "c1", 1),
        helper.make_node("Relu", ["c1"], ["r1"]),
        conv("two", "r1", "c2", 3),
        helper.make_node("Relu", ["c2"], ["r2"]),
        conv("three", "r2", "c3", 1),
        helper.make_node("Add", ["c3", "r0"], ["sum"]),
        helper.make_node("Relu", ["sum"], ["r3"]),
        helper.make_node("GlobalAveragePool", ["r3"], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("Gemm", ["f", "head_w", "head_b"], [OUTPUT], name="head", transB=1),
    ]
    shapes = {
        "stem": (BLOCK_CHANNELS, 3, 3, 3),
        "one": (BLOCK_CHANNELS, BLOCK_CHANNELS, 1, 1),
        "two": (BLOCK_CHANNELS, BLOCK_CHANNELS, 3, 3),
        "three": (BLOCK_CHANNELS, BLOCK_CHANNELS, 1, 1),
        "head": (CLASSES, BLOCK_CHANNELS),
    }
    tensors = [numpy_helper.from_array(weights(name, *shape), f"{name}_w") for name, shape in shapes.items()]
    tensors += [numpy_helper.from_array(np.full(shape[0], 0.1, np.float32), f"{n}_b") for n, shape in shapes.items()]
    return _as_core(nodes, tensors)


def random_images(count: int) -> np.ndarray:
    """Images of noise: uint8, shape (count, SIZE, SIZE, 3)."""
    return np.random.default_rng(1).integers(0, 256, (count, SIZE, SIZE, 3), dtype=np.uint8)


def _as_core(nodes: list[onnx.NodeProto], tensors: list[onnx.TensorProto]) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "core",
        [helper.make_tensor_value_info(PIXELS, TensorProto.FLOAT, ["batch", 3, SIZE, SIZE])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["batch", CLASSES])],
        tensors,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)
