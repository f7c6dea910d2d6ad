"""TODO from export.targets."""

import warnings

import onnx
from onnxruntime.transformers.float16 import convert_float_to_float16


def to_float16(model: onnx.ModelProto) -> onnx.ModelProto:
    """``model`` computing in float16, its logits still float32; by onnxruntime's own converter.

    Args:
        model: with the plain intake (`export.graph.byte_input.with_byte_input`): float16 holds its whole numbers up to 255 exactly.
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of weights below the smallest float16, which become that
        return convert_float_to_float16(copy, keep_io_types=True)
