"""The input nodes that turn the bytes of a photo into the float pixels of the core graph."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from export.graph.interface import PIXELS
from finetune.network.photo_network import PIXEL_ZERO
from runtime.inference.model_file import INPUT


def with_byte_input(core: onnx.ModelProto, *, use_cast: bool = False) -> onnx.ModelProto:
    """Return a copy of ``core`` that takes bytes: uint8, shape (batch, size, size, 3), RGB.

    If all that ``core`` does with the pixels is to quantize them with scale 1 and zero point `PIXEL_ZERO`, the
    quantized pixels are the bytes themselves, and that node is removed. Any other quantization of the pixels stays.

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
    quantizer = None if use_cast else _quantizer_to_bytes(graph)
    target = f"{PIXELS}_bytes"
    if quantizer is not None:
        target = quantizer.output[0]
        graph.node.remove(quantizer)
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
        if quantizer is None:
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


def _quantizer_to_bytes(graph: onnx.GraphProto) -> onnx.NodeProto | None:
    """Return the node that turns the pixels back into the bytes of the photo, if nothing else reads the pixels."""
    readers = [node for node in graph.node if PIXELS in node.input]
    if len(readers) != 1 or readers[0].op_type != "QuantizeLinear" or len(readers[0].input) != 3:
        return None
    constants = {tensor.name: tensor for tensor in graph.initializer}
    scale, zero = (constants.get(name) for name in readers[0].input[1:])
    if scale is None or zero is None or zero.data_type != TensorProto.UINT8:
        return None
    same = (numpy_helper.to_array(scale) == 1).all() and (numpy_helper.to_array(zero) == np.uint8(PIXEL_ZERO)).all()
    return readers[0] if same else None
