"""From float32 to float16."""

import warnings

import onnx
from onnxruntime.transformers.float16 import convert_float_to_float16


def convert_to_float16(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return ``model`` computing in float16 with float32 logits, made by onnxruntime's converter.

    Args:
        model: a graph with the byte input of ``with_byte_input(..., use_cast=True)``. float16 represents whole numbers
            up to 2,048 exactly, so the pixels are exact.
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    with warnings.catch_warnings():
        # The converter warns of each weight below the smallest float16 number, which it rounds to that number.
        warnings.simplefilter("ignore")
        converted: onnx.ModelProto = convert_float_to_float16(copy, keep_io_types=True)
    return converted
