"""Calibration: the ranges of all activations over the calibration photographs, in bounded memory.

onnxruntime's histogram calibrators keep every activation of everything they are fed until they have seen it all:
hundreds of gigabytes for a thousand photographs. They do add up over several calls, so they are fed a slice at a time.
"""

import contextlib
import io
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod
from onnxruntime.quantization.calibrate import TensorsData, create_calibrator
from tqdm import tqdm

from export.graph import PIXELS
from finetune.network import PIXEL_ZERO

METHODS = {
    "minmax": CalibrationMethod.MinMax,
    "percentile": CalibrationMethod.Percentile,
    "entropy": CalibrationMethod.Entropy,
}
SLICE_PIXELS = 4 * 224 * 224
"""Pixels a slice: a ResNet-50's activations take about 90 MB for a photograph of 224 × 224."""
OPTIONS: dict[str, dict[str, object]] = {
    "minmax": {},
    # Two-sided: most activations come out of a ReLU, and half of a symmetric range would be wasted on them.
    "percentile": {"symmetric": False, "percentile": 99.999, "num_bins": 2048},
    "entropy": {"num_bins": 512, "num_quantized_bins": 128},
}
QUANTIZED_OPERATORS = ("Conv", "Relu", "MaxPool", "Add", "GlobalAveragePool", "Flatten", "Reshape", "Gemm")


def calibrate(core: onnx.ModelProto, photographs: Iterable[np.ndarray], total: int, method: str) -> TensorsData:
    """Run ``photographs`` through ``core`` and return the range of each activation.

    Args:
        core: float pixels in, logits out (`export.graph.build_core`).
        photographs: uint8 arrays of shape (up to any number, size, size, 3).
        total: how many photographs there are, for the progress bar.
        method: one of `METHODS`.
    """
    with (
        tempfile.TemporaryDirectory() as folder,
        tqdm(total=total, desc=f"calibration, {method}", unit="img", disable=None) as bar,
    ):
        plain = Path(folder, "core.onnx")
        onnx.save(core, plain)
        calibrator = create_calibrator(
            plain,
            list(QUANTIZED_OPERATORS),
            augmented_model_path=str(Path(folder, "augmented.onnx")),
            calibrate_method=METHODS[method],
            extra_options=OPTIONS[method],
        )
        for images in _slices(photographs):
            # onnxruntime prints lines of its own between those of the progress bar.
            with contextlib.redirect_stdout(io.StringIO()):
                calibrator.collect_data(_Slice(images))
            bar.update(len(images))
        with contextlib.redirect_stdout(io.StringIO()):
            ranges = calibrator.compute_data()
    if not isinstance(ranges, TensorsData):
        raise TypeError(f"onnxruntime returned {type(ranges).__name__} and not TensorsData")
    return ranges


def _slices(photographs: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    for images in photographs:
        count = max(1, SLICE_PIXELS // (images.shape[1] * images.shape[2]))
        for start in range(0, len(images), count):
            yield images[start : start + count]


class _Slice(CalibrationDataReader):
    """Feeds one slice as one batch."""

    def __init__(self, images: np.ndarray) -> None:
        self._images: np.ndarray | None = images

    def get_next(self) -> dict[str, np.ndarray] | None:
        if self._images is None:
            return None
        pixels = self._images.transpose(0, 3, 1, 2).astype(np.float32) - PIXEL_ZERO
        self._images = None
        return {PIXELS: pixels}
