"""Testing whether onnxruntime's INT8 kernels overflow on this processor.

On x86 with AVX2 or AVX-512 but without VNNI, the instruction ``vpmaddubsw`` multiplies uint8 by int8 and adds pairs
of products in 16 bits, where they saturate: 255 · 127 + 255 · 127 becomes 32,767. The option
``session.x64quantprecision`` makes onnxruntime use uint8 weights instead, which is exact and slower. On processors
with VNNI, products never overflow, and the option only costs speed. Therefore this module runs a small model
whose product shows the overflow.

Source: onnxruntime, "Quantize ONNX models", section "When and why do I need to try U8U8?".
"""

import functools

import numpy as np
import onnxruntime

PROBE = (
    b"\x08\x08:\\\n\x18\n\x01a\n\x01b\x12\x01c\x22\rMatMulInteger\x12\x01gZ\x13\n\x01a\x12\x0e\n\x0c\x08\x02\x12\x08\n"
    b"\x02\x08\x04\n\x02\x08\x08Z\x13\n\x01b\x12\x0e\n\x0c\x08\x03\x12\x08\n\x02\x08\x08\n\x02\x08\x10b\x13\n\x01c\x12\x0e\n"
    b"\x0c\x08\x06\x12\x08\n\x02\x08\x04\n\x02\x08\x10B\x04\n\x00\x10\n"
)
"""An ONNX model: ``c = MatMulInteger(a, b)``, a: uint8 (4, 8), b: int8 (8, 16), c: int32 (4, 16)."""


@functools.cache
def int8_products_overflow() -> bool:
    """Return whether onnxruntime multiplies uint8 and int8 matrices wrongly on this processor.

    The test takes milliseconds and runs once in a process.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(PROBE, options, providers=["CPUExecutionProvider"], enable_fallback=0)
    left, right = np.full((4, 8), 255, np.uint8), np.full((8, 16), 127, np.int8)
    product = session.run(None, {"a": left, "b": right})[0]
    return bool((product != left.astype(np.int32) @ right.astype(np.int32)).any())
