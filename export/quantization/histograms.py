"""Calibration: what values every activation takes over the calibration photographs, in bounded memory.

One pass over the photographs fills a histogram for each activation; the ranges of every method follow from those.
onnxruntime's histogram calibrators keep every activation of everything they are fed until they have seen it all:
hundreds of gigabytes for a thousand photographs. They do add up over several calls, so they are fed a slice at a time.
"""

import contextlib
import io
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod
from onnxruntime.quantization.calibrate import HistogramCalibrater, create_calibrator
from tqdm import tqdm

from export.graph.float_graph import PIXELS
from finetune.network.photo_network import PIXEL_ZERO

SLICE_PIXELS = 2 * 224 * 224
"""Pixels a slice: a ResNet-50's activations take about 90 MB for a photograph of 224 × 224."""
BINS = 2048
"""Of a histogram, at first; it grows when later photographs reach further."""
QUANTIZED_OPERATORS = ("Conv", "Relu", "MaxPool", "Add", "GlobalAveragePool", "Flatten", "Reshape", "Gemm")


@dataclass(frozen=True)
class Histogram:
    """How often an activation took which values."""

    counts: np.ndarray
    """int64, shape (bins,)."""
    edges: np.ndarray
    """float, shape (bins + 1,); symmetric about 0."""
    low: float
    high: float
    """The smallest and the largest value."""


Histograms = Mapping[str, Histogram]
"""By the name of the activation in the core graph."""


def collect_histograms(core: onnx.ModelProto, photographs: Iterable[np.ndarray], total: int) -> Histograms:
    """Run ``photographs`` through ``core`` and return a histogram of each activation.

    Args:
        core: float pixels in, logits out (`export.graph.float_graph.build_float_graph`).
        photographs: uint8 arrays of shape (up to any number, size, size, 3).
        total: how many photographs there are, for the progress bar.
    """
    with (
        tempfile.TemporaryDirectory() as folder,
        tqdm(total=total, desc="calibration", unit="img", disable=None) as bar,
    ):
        plain = Path(folder, "core.onnx")
        onnx.save(core, plain)
        calibrator = create_calibrator(
            plain,
            list(QUANTIZED_OPERATORS),
            augmented_model_path=str(Path(folder, "augmented.onnx")),
            calibrate_method=CalibrationMethod.Percentile,
            extra_options={"symmetric": False, "num_bins": BINS},
        )
        assert isinstance(calibrator, HistogramCalibrater)
        for images in _slices(photographs):
            # onnxruntime prints lines of its own between those of the progress bar.
            with contextlib.redirect_stdout(io.StringIO()):
                calibrator.collect_data(SingleBatchReader(images))
            bar.update(len(images))
    collector = calibrator.collector
    if collector is None:
        raise ValueError("no photographs to calibrate on")
    return {
        name: Histogram(counts, edges, float(low), float(high))
        for name, (counts, edges, low, high, _) in collector.histogram_dict.items()
    }


def _slices(photographs: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    for images in photographs:
        count = max(1, SLICE_PIXELS // (images.shape[1] * images.shape[2]))
        for start in range(0, len(images), count):
            yield images[start : start + count]


class SingleBatchReader(CalibrationDataReader):
    """Feeds one slice as one batch."""

    def __init__(self, images: np.ndarray) -> None:
        self._images: np.ndarray | None = images

    def get_next(self) -> dict[str, np.ndarray] | None:
        if self._images is None:
            return None
        pixels = self._images.transpose(0, 3, 1, 2).astype(np.float32) - PIXEL_ZERO
        self._images = None
        return {PIXELS: pixels}
