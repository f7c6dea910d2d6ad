"""Static INT8 quantization in QDQ form: 8-bit activations, int8 weights with a scale for each output channel."""

import logging
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
from onnxruntime.quantization import (
    CalibrationMethod,
    QuantFormat,
    QuantType,
    TensorsData,
    quantize_static,
    save_tensors_data,
)

from export.graph.interface import PIXELS
from export.quantization.bias_correction import add_to_biases
from export.quantization.calibration import QUANTIZED_OPERATORS
from export.quantization.ranges import ActivationRanges
from finetune.network.photo_network import PIXEL_ZERO

LAYER_OPERATORS = ("Conv", "Gemm")
"""Operators with weights. Only these can be selected to stay in float."""


def layers_of(core: onnx.ModelProto) -> list[str]:
    """Return the names of the nodes with weights, in the order of the graph."""
    return [node.name for node in core.graph.node if node.op_type in LAYER_OPERATORS]


def quantize(
    core: onnx.ModelProto,
    ranges: ActivationRanges,
    *,
    float_layers: Sequence[str] = (),
    tensorrt: bool = False,
    bias_corrections: Mapping[str, np.ndarray] | None = None,
) -> onnx.ModelProto:
    """Quantize ``core`` with onnxruntime's ``quantize_static`` and the given activation ranges.

    Args:
        core: float pixels in, logits out (`export.graph.float_graph.build_float_graph`).
        ranges: of every activation (`export.quantization.ranges.find_ranges`).
        float_layers: names of the nodes that stay in float.
        tensorrt: use the form that TensorRT accepts: int8 activations with zero point 0, and float biases. Otherwise
            activations are uint8, and the pixels have scale 1 and zero point `PIXEL_ZERO`, so that the quantized pixels
            are the bytes of the photo.
        bias_corrections: layer → float64, shape (channels,), from
            `export.quantization.bias_correction.measure_bias_corrections`; added to the biases of quantized layers.
    """
    if bias_corrections:
        rounded = {layer: values for layer, values in bias_corrections.items() if layer not in float_layers}
        core = add_to_biases(core, rounded)
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
        save_tensors_data(_as_tensors_data(ranges), cache)
        quantize_static(
            plain,
            quantized,
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=list(QUANTIZED_OPERATORS),
            per_channel=True,
            activation_type=activations,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=list(float_layers),
            calibrate_method=CalibrationMethod.MinMax,
            calibration_cache_path=cache,
            extra_options={
                **options,
                # The head multiplies in INT8 but its output stays float: 256 steps for all logits would create ties.
                "OpTypesToExcludeOutputQuantization": ["Gemm"],
            },
        )
        return onnx.load(quantized)


def _as_tensors_data(ranges: ActivationRanges) -> TensorsData:
    """The ranges in the form of onnxruntime's calibration cache."""
    arrays = {name: (np.array(low, np.float32), np.array(high, np.float32)) for name, (low, high) in ranges.items()}
    return TensorsData(CalibrationMethod.MinMax, arrays)


@contextmanager
def quiet_quantizer() -> Iterator[None]:
    """Hide the advice that ``quantize_static`` logs: the preprocessing that it recommends is done by the exporter."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(level)
