"""Naive quantization: onnxruntime's ``quantize_static`` with min-max ranges on the same calibration photographs."""

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static
from tqdm import tqdm

from export.graph.onnx_files import model_file_bytes
from export.quantization.int8 import quiet_quantizer
from finetune.data.photo_batches import photo_batches
from finetune.data.split import Split
from runtime.files.atomic import write_bytes
from runtime.inference.model_file import INPUT
from runtime.inference.session import Session


class _PhotographReader(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime has no type hints
    """One photograph at a time, as in the examples of onnxruntime."""

    def __init__(self, split: Split, session: Session) -> None:
        photographs = photo_batches(split.paths, session.info.preprocessing, 1)
        self._photographs = iter(tqdm(photographs, total=len(split), desc="naive", unit="img", disable=None))

    def get_next(self) -> dict[str, np.ndarray] | None:
        """Return the next photograph as the network's input, or None after the last."""
        images = next(self._photographs, None)
        return None if images is None else {INPUT: images}


NAIVE: dict[str, dict[str, QuantType]] = {
    "naive int8": {},
    "naive u8s8 int8": {"activation_type": QuantType.QUInt8, "weight_type": QuantType.QInt8},
}
"""Precision, as the file records it → options of ``quantize_static``.

The first has the default options: int8 for activations and weights, and one scale for each tensor. The second has uint8
activations, for which x86 processors have instructions, as onnxruntime's documentation recommends for x86.
"""


def quantize_naively(fp32: Path, split: Split, output: Path, precision: str = "naive int8") -> Path:
    """Quantize a model file naively and write it to ``output``.

    Args:
        fp32: the FP32 model file.
        split: photographs to calibrate on.
        output: the file to write.
        precision: a key of `NAIVE`.

    Returns:
        ``output``.
    """
    import onnx

    session = Session(fp32, device="cpu")
    with tempfile.TemporaryDirectory() as folder, quiet_quantizer():
        quantized = Path(folder, "naive.onnx")
        quantize_static(fp32, quantized, _PhotographReader(split, session), **NAIVE[precision])
        model = onnx.load(quantized)
    calibration = {"method": "minmax", "split": split.name, "images": len(split), "sha256": split.digest()}
    info = replace(session.info, precision=precision, calibration=calibration, evaluation={})
    write_bytes(output, model_file_bytes(model, info))
    return output
