"""The network that a conversion to ORT format is compared with."""

from pathlib import Path

import numpy as np
import onnxruntime

from runtime.inference.model_file import INPUT, OUTPUT


class OrtReference:
    """The network of a model file, computed with the same kernels as its conversion to ORT format.

    On x86 with AVX2 but without VNNI, the runtime sets ``session.x64quantprecision``, so that INT8 products do not
    overflow (`runtime.inference.int8_overflow`). onnxruntime applies this option while it optimizes a graph, so it has
    no effect on ORT format, whose graph is final. This class leaves the option out. The comparison is then about the
    conversion, and not about the processor of the machine that makes the bundle.

    Args:
        model: a model file.
    """

    def __init__(self, model: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # errors are raised as exceptions
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def logits(self, images: np.ndarray) -> np.ndarray:
        """Run the network.

        Args:
            images: uint8, shape (batch, size, size, 3).

        Returns:
            float32, shape (batch, classes).
        """
        logits: np.ndarray = self._session.run([OUTPUT], {INPUT: images})[0]
        return logits
