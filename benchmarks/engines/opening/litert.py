"""Opens a network of LiteRT."""

from pathlib import Path

import numpy as np

from benchmarks.engines.opening.answer import Answer

NETWORK = "network.tflite"
BYTES = np.arange(256)


def open_form(folder: Path, threads: int, *, pixel_zero: int) -> Answer:
    """Open the network with the interpreter's default operators, which include XNNPACK.

    Args:
        folder: of the form.
        threads: of the interpreter.
        pixel_zero: the byte that becomes 0 before the network.
    """
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(folder / NETWORK), num_threads=threads)
    interpreter.allocate_tensors()
    (taken,), (given,) = interpreter.get_input_details(), interpreter.get_output_details()
    (scale, zero), (output_scale, output_zero) = taken["quantization"], given["quantization"]
    # There are 256 bytes, so the quantization of the pixels is one table.
    table = np.clip(np.round((BYTES - pixel_zero) / scale) + zero, -128, 127).astype(np.int8)

    def answer(images: np.ndarray) -> np.ndarray:
        interpreter.set_tensor(taken["index"], table[images])
        interpreter.invoke()
        logits: np.ndarray = (interpreter.get_tensor(given["index"]).astype(np.float32) - output_zero) * output_scale
        return logits

    return answer
