"""The network that a conversion to ORT format is compared with."""

from pathlib import Path

import numpy as np
import onnxruntime

from runtime.inference.model_file import INPUT
from runtime.inference.session import Outputs


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

    def run(self, images: np.ndarray) -> Outputs:
        """Run the network on uint8, shape (batch, size, size, 3)."""
        logits, *familiarity = self._session.run(None, {INPUT: images})
        return Outputs(logits, familiarity[0] if familiarity else None)
