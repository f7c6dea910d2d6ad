"""INT8 files of one network for photos of several sizes, and where each is right."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from benchmarks.core.intervals import wilson
from benchmarks.measurements.engines.network_macs import count_model_macs
from export.graph.byte_input import with_byte_input
from export.graph.networks import OnnxNetwork
from export.graph.onnx_files import model_file_bytes, read_onnx
from export.quantization.calibration import collect_histograms
from export.quantization.int8 import quantize
from export.quantization.ranges import find_ranges
from export.verification.evaluation import run_split
from finetune.accuracy import hits
from finetune.data.photo_batches import photo_batches
from finetune.data.split import Split
from finetune.network.checkpoint import Checkpoint
from runtime.distribution import tool_versions
from runtime.files.atomic import write_bytes
from runtime.files.digest import file_digest
from runtime.inference.model_file import ModelInfo
from runtime.photos.preprocessing import Preprocessing

METHOD = "percentile"
"""Of calibration: the default of ``python -m export``."""
BATCH = 16


def write_int8_file(
    core: onnx.ModelProto, checkpoint: Checkpoint, checkpoint_sha256: str, size: int, calibration: Split, path: Path
) -> None:
    """Write the INT8 file that ``python -m export --quantize int8`` makes, without familiarity and temperature.

    Args:
        core: `export.graph.float_graph.build_float_graph` of the checkpoint. The size of the photos is in the shape of
            its input only, so one graph serves for all sizes.
        checkpoint: of the network.
        checkpoint_sha256: of its file.
        size: side of the photos that the file shall take, pixels.
        calibration: photographs for the activation ranges.
        path: of the file; its folder is made.
    """
    resized = onnx.ModelProto()
    resized.CopyFrom(core)
    for side in resized.graph.input[0].type.tensor_type.shape.dim[2:]:
        side.dim_value = size
    preprocessing = replace(checkpoint.preprocessing, size=size)
    batches = photo_batches(calibration.paths, preprocessing, BATCH)
    ranges = find_ranges(collect_histograms(resized, batches, len(calibration)), METHOD)
    info = ModelInfo(
        classes=checkpoint.classes,
        preprocessing=preprocessing,
        architecture=checkpoint.architecture.name,
        precision="int8",
        calibration={"method": METHOD, "split": calibration.name, "images": len(calibration)},
        training={"checkpoint_sha256": checkpoint_sha256, "provenance": checkpoint.provenance},
        versions=tool_versions("torch", "onnx", "onnxruntime", "numpy", "pillow"),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, model_file_bytes(with_byte_input(quantize(resized, ranges)), info))


def file_figures(path: Path, preprocessing: Preprocessing, split: Split) -> dict[str, Any]:
    """Measure the accuracy of a model file, and count its work and its bytes.

    Args:
        path: of the file.
        preprocessing: of its photos.
        split: the photographs.

    Returns:
        Among others ``hits``: for each photograph 1 if the first name is right, and 0 if it is not.
    """
    # Not `Session`, which would keep an optimised form of each of these files in the user's cache.
    network = OnnxNetwork(read_onnx(path))
    right = hits(run_split({path.stem: network}, split, preprocessing)[path.stem].logits, split.labels)
    return {
        "bytes": path.stat().st_size,
        "sha256": file_digest(path),
        "macs": count_model_macs(path),
        "top1": float(right.mean()),
        "top1_interval": wilson(int(right.sum()), len(right)),
        "hits": as_digits(right),
    }


def as_digits(right: np.ndarray) -> str:
    """Return a bool array of shape (images,) as a string of 0 and 1, which JSON holds on one line."""
    return "".join("1" if hit else "0" for hit in right)


def from_digits(digits: str) -> np.ndarray:
    """Return the array that `as_digits` wrote."""
    return np.array([digit == "1" for digit in digits])
