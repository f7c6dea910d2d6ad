"""Stage 2: build the float graph, and check that it answers as PyTorch does."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import onnx

from export.errors import ExportError
from export.graph.byte_input import with_byte_input
from export.graph.float_graph import build_float_graph
from export.graph.networks import OnnxNetwork, TorchNetwork
from export.stages.load import ExportInputs

MAX_DIFFERENCE = 1e-3
"""Largest difference of a logit between PyTorch and ONNX in float32. Rounding causes about 1e-5."""


@dataclass(frozen=True)
class FloatNetwork:
    """The checkpoint as a graph."""

    core: onnx.ModelProto
    """Float pixels in, logits out."""
    sample: np.ndarray
    """Calibration photographs, uint8, shape (up to 16, size, size, 3)."""


def build_float_network(inputs: ExportInputs, report: Callable[[str], None]) -> FloatNetwork:
    """Build the graph and compare it with PyTorch on real photographs.

    Raises:
        ExportError: the logits differ by more than `MAX_DIFFERENCE`.
    """
    core = build_float_graph(inputs.checkpoint)
    sample = inputs.calibration_sample()
    expected = TorchNetwork(inputs.checkpoint).run(sample).logits
    worst = float(np.abs(OnnxNetwork(with_byte_input(core)).logits(sample) - expected).max())
    # "not <=" instead of ">", so that NaN fails, too.
    if not worst <= MAX_DIFFERENCE:
        raise ExportError(
            f"the logits of the FP32 graph differ from PyTorch's by {worst:.2g} on {len(sample)} photographs, more "
            f"than {MAX_DIFFERENCE:g}; nothing was written; try other versions of torch and onnxruntime"
        )
    report(f"fp32     same as PyTorch on {len(sample)} photographs: logits differ by {worst:.1g} at most")
    return FloatNetwork(core, sample)
