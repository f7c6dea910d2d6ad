"""The input nodes that turn the bytes of a photo into the float pixels of the core graph."""

import onnx
from onnx import TensorProto, helper

from export.graph.interface import PIXELS
from finetune.network.photo_network import PIXEL_ZERO
from runtime.inference.model_file import INPUT


def with_byte_input(core: onnx.ModelProto, *, use_cast: bool = False) -> onnx.ModelProto:
    """Return a copy of ``core`` that takes bytes: uint8, shape (batch, size, size, 3), RGB.

    If the first node of ``core`` quantizes the pixels, that node is removed: with scale 1 and zero point `PIXEL_ZERO`,
    the quantized pixels are the bytes themselves.

    Args:
        core: float pixels in, logits out (`export.graph.float_graph.build_float_graph`), quantized or not.
        use_cast: convert the bytes with Cast and Sub, for TensorRT and float16, instead of DequantizeLinear with an
            unsigned zero point.
    """
    model = onnx.ModelProto()
    model.CopyFrom(core)
    graph = model.graph
    batch, _, height, width = graph.input[0].type.tensor_type.shape.dim
    shape = [batch.dim_param or "batch", height.dim_value, width.dim_value, 3]
    quantizers = [n for n in graph.node if n.op_type == "QuantizeLinear" and n.input[0] == PIXELS and not use_cast]
    target = quantizers[0].output[0] if quantizers else f"{PIXELS}_bytes"
    for node in quantizers:
        graph.node.remove(node)
    channels_first = [0, 3, 1, 2]
    if use_cast:
        # TensorRT accepts unsigned bytes as the input of a Cast only, so the Cast comes before the Transpose.
        # The names that begin with "intake" are part of released model files.
        graph.initializer.append(helper.make_tensor("intake_zero", TensorProto.FLOAT, [], [PIXEL_ZERO]))
        input_nodes = [
            helper.make_node("Cast", [INPUT], [f"{INPUT}_float"], name="intake_cast", to=TensorProto.FLOAT),
            helper.make_node(
                "Transpose", [f"{INPUT}_float"], [f"{PIXELS}_float"], name="intake_transpose", perm=channels_first
            ),
            helper.make_node("Sub", [f"{PIXELS}_float", "intake_zero"], [PIXELS], name="intake"),
        ]
    else:
        input_nodes = [helper.make_node("Transpose", [INPUT], [target], name="intake_transpose", perm=channels_first)]
        if not quantizers:
            scale = helper.make_tensor("intake_scale", TensorProto.FLOAT, [], [1.0])
            zero = helper.make_tensor("intake_zero", TensorProto.UINT8, [], [PIXEL_ZERO])
            graph.initializer.extend([scale, zero])
            dequantized = [target, scale.name, zero.name]
            input_nodes.append(helper.make_node("DequantizeLinear", dequantized, [PIXELS], name="intake"))
    nodes = [*input_nodes, *graph.node]
    del graph.node[:], graph.input[:]
    graph.node.extend(nodes)
    graph.input.append(helper.make_tensor_value_info(INPUT, TensorProto.UINT8, shape))
    return model
