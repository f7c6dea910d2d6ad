"""Runs one calibration method in a process of its own.

Usage: python -m benchmarks.workers.calibration_method METHOD CORE DATA IMAGES PREPROCESSING
"""

import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, quantize_static

from export.graph.interface import PIXELS
from export.quantization.activations import float_pixels
from export.quantization.calibration import collect_histograms
from export.quantization.ranges import find_ranges
from finetune.data.dataset import read_split
from finetune.data.photo_batches import photo_batches
from runtime.photos.preprocessing import Preprocessing

QUANTIZE_STATIC = "quantize_static"
"""Stands for onnxruntime's own function, which calibrates by min-max and also quantizes."""
BATCH = 16


class _SinglePhotographReader(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime has no type hints
    """One photograph at a time, as in the examples of onnxruntime."""

    def __init__(self, photographs: Iterator[np.ndarray]) -> None:
        self._photographs = photographs

    def get_next(self) -> dict[str, np.ndarray] | None:
        """Return the next photograph as the network's input, or None after the last."""
        images = next(self._photographs, None)
        return None if images is None else {PIXELS: float_pixels(images)}


def calibrate(method: str, core: Path, data: Path, images: int, preprocessing: Preprocessing) -> None:
    """Find the activation ranges of a network on validation photographs. The ranges are not kept.

    Args:
        method: of `export.quantization.ranges.METHODS`, or `QUANTIZE_STATIC`.
        core: the FP32 network as an ONNX file.
        data: the data set.
        images: how many photographs.
        preprocessing: of the photographs.
    """
    paths = read_split(data, "val").head(images).paths
    if method == QUANTIZE_STATIC:
        with tempfile.TemporaryDirectory() as folder:
            reader = _SinglePhotographReader(photo_batches(paths, preprocessing, 1))
            quantize_static(core, Path(folder, "int8.onnx"), reader)
    else:
        batches = photo_batches(paths, preprocessing, BATCH)
        find_ranges(collect_histograms(onnx.load(core), batches, len(paths)), method)


if __name__ == "__main__":
    method, core, data, images, preprocessing = sys.argv[1:]
    calibrate(method, Path(core), Path(data), int(images), Preprocessing.from_dict(json.loads(preprocessing)))
