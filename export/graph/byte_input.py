"""TODO from export.graph.float_graph."""

import onnx
from onnx import TensorProto, helper

from export.graph.float_graph import PIXELS
from finetune.network.photo_network import PIXEL_ZERO
from runtime.inference.model_file import INPUT


def with_byte_input(core: onnx.ModelProto, *, plain: bool = False) -> onnx.ModelProto:
    """A copy of ``core`` that takes bytes: uint8 (batch, size, size, 3), RGB.

    If ``core`` quantizes its pixels first thing, that quantization is replaced by the bytes themselves, which are the
    same numbers. ``plain``: by Cast and Sub in any case, for what takes no DequantizeLinear of unsigned bytes.
    """
    model = onnx.ModelProto()
    model.CopyFrom(core)
    graph = model.graph
    batch, _, height, width = graph.input[0].type.tensor_type.shape.dim
    shape = [batch.dim_param or "batch", height.dim_value, width.dim_value, 3]
    quantizers = [n for n in graph.node if n.op_type == "QuantizeLinear" and n.input[0] == PIXELS and not plain]
    target = quantizers[0].output[0] if quantizers else f"{PIXELS}_bytes"
    for node in quantizers:
        graph.node.remove(node)
    channels_first = [0, 3, 1, 2]
    if plain:
        # TensorRT takes unsigned bytes into a Cast and into nothing else: not even a Transpose may come before it.
        graph.initializer.append(helper.make_tensor("intake_zero", TensorProto.FLOAT, [], [PIXEL_ZERO]))
        intake = [
            helper.make_node("Cast", [INPUT], [f"{INPUT}_float"], name="intake_cast", to=TensorProto.FLOAT),
            helper.make_node(
                "Transpose", [f"{INPUT}_float"], [f"{PIXELS}_float"], name="intake_transpose", perm=channels_first
            ),
            helper.make_node("Sub", [f"{PIXELS}_float", "intake_zero"], [PIXELS], name="intake"),
        ]
    else:
        intake = [helper.make_node("Transpose", [INPUT], [target], name="intake_transpose", perm=channels_first)]
        if not quantizers:
            scale = helper.make_tensor("intake_scale", TensorProto.FLOAT, [], [1.0])
            zero = helper.make_tensor("intake_zero", TensorProto.UINT8, [], [PIXEL_ZERO])
            graph.initializer.extend([scale, zero])
            dequantized = [target, scale.name, zero.name]
            intake.append(helper.make_node("DequantizeLinear", dequantized, [PIXELS], name="intake"))
    nodes = [*intake, *graph.node]
    del graph.node[:], graph.input[:]
    graph.node.extend(nodes)
    graph.input.append(helper.make_tensor_value_info(INPUT, TensorProto.UINT8, shape))
    return model
