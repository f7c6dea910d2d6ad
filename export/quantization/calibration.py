"""Calibration: one pass over photographs, which fills a histogram for each activation of the core graph.

The activation ranges of every method follow from these histograms (`export.quantization.ranges`). onnxruntime's own
calibrators keep every activation of all photographs in memory. Here a slice of photographs is processed at a time, so
memory stays flat.
"""

from collections.abc import Iterable, Iterator

import numpy as np
import onnx
from onnx import TensorProto, shape_inference
from tqdm import tqdm

from export.errors import ExportError
from export.quantization.activations import ActivationReader
from export.quantization.histograms import HistogramBuilder, Histograms

SLICE_PIXELS = 2 * 224 * 224
"""Pixels in a slice. The activations of a ResNet-50 take about 90 MB for one photograph of 224 × 224."""
QUANTIZED_OPERATORS = ("Conv", "Relu", "MaxPool", "Add", "GlobalAveragePool", "Flatten", "Reshape", "Gemm")
"""Operators whose inputs and outputs are quantized."""


def collect_histograms(core: onnx.ModelProto, photographs: Iterable[np.ndarray], total: int) -> Histograms:
    """Run ``photographs`` through ``core`` and return a histogram of each quantized activation.

    Args:
        core: float pixels in, logits out (`export.graph.float_graph.build_float_graph`).
        photographs: uint8 arrays of shape (any number, size, size, 3).
        total: the number of photographs, for the progress bar.

    Raises:
        ExportError: there are no photographs.
    """
    reader = ActivationReader(core, _quantized_activations(core))
    builders: dict[str, HistogramBuilder] = {}
    with tqdm(total=total, desc="calibration", unit="img", disable=None) as bar:
        for images in _slices(photographs):
            for name, values in reader.read(images).items():
                if name in builders:
                    builders[name].add(values)
                else:
                    builders[name] = HistogramBuilder(values)
            bar.update(len(images))
    if not builders:
        raise ExportError("no photographs to calibrate on; give a data set with a validation split")
    return {name: builder.histogram() for name, builder in builders.items()}


def _quantized_activations(core: onnx.ModelProto) -> list[str]:
    """The float inputs and outputs, without constants, of all nodes whose operator is quantized."""
    graph = shape_inference.infer_shapes(core).graph
    constants = {tensor.name for tensor in graph.initializer}
    floats = {
        value.name
        for value in (*graph.value_info, *graph.output, *graph.input)
        if value.type.tensor_type.elem_type in (TensorProto.FLOAT, TensorProto.FLOAT16)
    }
    names = (name for node in graph.node if node.op_type in QUANTIZED_OPERATORS for name in (*node.input, *node.output))
    return list(dict.fromkeys(name for name in names if name in floats and name not in constants))


def _slices(photographs: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    for images in photographs:
        count = max(1, SLICE_PIXELS // (images.shape[1] * images.shape[2]))
        for start in range(0, len(images), count):
            yield images[start : start + count]
