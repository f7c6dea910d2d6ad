"""Static INT8 quantization in QDQ form: uint8 activations, int8 weights with a scale for each output channel."""

import logging
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.calibrate import TensorsData, save_tensors_data

from export.graph.float_graph import PIXELS
from export.quantization.bias_correction import add_to_biases
from export.quantization.histograms import QUANTIZED_OPERATORS
from finetune.network.photo_network import PIXEL_ZERO

LAYERS = ("Conv", "Gemm")
"""Operators with weights: what a network's precision is chosen for."""


def layers_of(core: onnx.ModelProto) -> list[str]:
    """The names of the nodes with weights, in the order of the graph."""
    return [node.name for node in core.graph.node if node.op_type in LAYERS]


def quantize(
    core: onnx.ModelProto,
    ranges: TensorsData,
    *,
    keep: Sequence[str] = (),
    tensorrt: bool = False,
    errors: Mapping[str, np.ndarray] | None = None,
) -> onnx.ModelProto:
    """Quantize ``core`` with the activation ranges that `export.quantization.ranges.find_ranges` found.

    Args:
        core: float pixels in, logits out (`export.graph.float_graph.build_float_graph`).
        ranges: of every activation.
        keep: names of nodes that stay in float.
        tensorrt: in the form that TensorRT takes: int8 activations with zero point 0, and biases left in float.
            Otherwise activations are uint8, and the pixels get scale 1 and zero point `PIXEL_ZERO`: quantized, they
            are the photo's bytes.
        errors: of the biases (`export.quantization.bias_correction.bias_errors`), to be added to those of the layers that are rounded.
    """
    if errors:
        core = add_to_biases(core, {layer: error for layer, error in errors.items() if layer not in keep})
    pixel_rule = {
        "quant_type": QuantType.QUInt8,
        "scale": np.array(1.0, dtype=np.float32),
        "zero_point": np.array(PIXEL_ZERO, dtype=np.uint8),
    }
    activations = QuantType.QInt8 if tensorrt else QuantType.QUInt8
    options: dict[str, object] = {"TensorQuantOverrides": {PIXELS: [pixel_rule]}}
    if tensorrt:
        options = {"ActivationSymmetric": True, "QuantizeBias": False}
    with tempfile.TemporaryDirectory() as folder, quiet_quantizer():
        plain, quantized, cache = (Path(folder, name) for name in ("core.onnx", "int8.onnx", "ranges.json"))
        onnx.save(core, plain)
        save_tensors_data(ranges, cache)
        quantize_static(
            plain,
            quantized,
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=list(QUANTIZED_OPERATORS),
            per_channel=True,
            activation_type=activations,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=list(keep),
            calibrate_method=CalibrationMethod.MinMax,
            calibration_cache_path=cache,
            extra_options={
                **options,
                # The head multiplies in INT8 but answers in float: 256 steps for all logits would make ties.
                "OpTypesToExcludeOutputQuantization": ["Gemm"],
            },
        )
        return onnx.load(quantized)


@contextmanager
def quiet_quantizer() -> Iterator[None]:
    """Keep ``quantize_static`` from advising, by way of the root logger, to do what the exporter has already done."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(level)
