"""One calibration in a process of its own: ``python -m benchmarks.workers.calibration_method METHOD CORE DATA IMAGES RULE``."""

import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, quantize_static

from export.quantization.histograms import SingleBatchReader, collect_histograms
from export.quantization.ranges import find_ranges
from finetune.data.dataset import read_split
from finetune.data.photo_batches import photo_batches
from runtime.photos.preprocessing import Preprocessing

NAIVE = "quantize_static"
"""In the place of a method: onnxruntime's own, which calibrates by min-max and quantizes as well."""
BATCH = 16


class _OneByOne(CalibrationDataReader):
    """Photographs as onnxruntime's examples feed them."""

    def __init__(self, photographs: Iterator[np.ndarray]) -> None:
        self._photographs = photographs

    def get_next(self) -> dict[str, np.ndarray] | None:
        images = next(self._photographs, None)
        return None if images is None else SingleBatchReader(images).get_next()


def calibrate(method: str, core: Path, data: Path, images: int, rule: Preprocessing) -> None:
    """Find the ranges of ``core`` on validation photographs of ``data``, and throw them away."""
    paths = read_split(data, "val").head(images).paths
    if method == NAIVE:
        with tempfile.TemporaryDirectory() as folder:
            quantize_static(core, Path(folder, "int8.onnx"), _OneByOne(photo_batches(paths, rule, 1)))
    else:
        find_ranges(collect_histograms(onnx.load(core), photo_batches(paths, rule, BATCH), len(paths)), method)


if __name__ == "__main__":
    method, core, data, images, rule = sys.argv[1:]
    calibrate(method, Path(core), Path(data), int(images), Preprocessing.from_dict(json.loads(rule)))
