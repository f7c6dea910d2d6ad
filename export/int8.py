"""Static INT8 quantization in QDQ form: uint8 activations, int8 weights with a scale for each output channel."""

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.calibrate import TensorsData, save_tensors_data

from export.calibration import METHODS, QUANTIZED_OPERATORS
from export.graph import PIXELS
from finetune.network import PIXEL_ZERO


def quantize(core: onnx.ModelProto, ranges: TensorsData, method: str) -> onnx.ModelProto:
    """Quantize ``core`` with the activation ranges that `export.calibration.calibrate` found.

    The pixels get scale 1 and zero point `PIXEL_ZERO`: quantized, they are the photo's bytes.
    """
    pixel_rule = {
        "quant_type": QuantType.QUInt8,
        "scale": np.array(1.0, dtype=np.float32),
        "zero_point": np.array(PIXEL_ZERO, dtype=np.uint8),
    }
    with tempfile.TemporaryDirectory() as folder, _quiet():
        plain, quantized, cache = (Path(folder, name) for name in ("core.onnx", "int8.onnx", "ranges.json"))
        onnx.save(core, plain)
        save_tensors_data(ranges, cache)
        quantize_static(
            plain,
            quantized,
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=list(QUANTIZED_OPERATORS),
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=METHODS[method],
            calibration_cache_path=cache,
            extra_options={
                "TensorQuantOverrides": {PIXELS: [pixel_rule]},
                # The head multiplies in INT8 but answers in float: 256 steps for all logits would make ties.
                "OpTypesToExcludeOutputQuantization": ["Gemm"],
            },
        )
        return onnx.load(quantized)


@contextmanager
def _quiet() -> Iterator[None]:
    """onnxruntime suggests pre-processing steps that the exporter has already done."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(level)
