"""The baselines: onnxruntime's ``quantize_static`` with min-max on the same photographs."""

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


class _Photographs(CalibrationDataReader):
    """One photograph at a time, as the examples of onnxruntime do it."""

    def __init__(self, split: Split, session: Session) -> None:
        photographs = photo_batches(split.paths, session.info.preprocessing, 1)
        self._photographs = iter(tqdm(photographs, total=len(split), desc="naive", unit="img", disable=None))

    def get_next(self) -> dict[str, np.ndarray] | None:
        images = next(self._photographs, None)
        return None if images is None else {INPUT: images}


NAIVE: dict[str, dict[str, QuantType]] = {
    "naive int8": {},
    "naive u8s8 int8": {"activation_type": QuantType.QUInt8, "weight_type": QuantType.QInt8},
}
"""Options of ``quantize_static`` by what the file is called: all as they come, which is int8 for both and a scale a
tensor; and uint8 activations, for which processors have instructions, as its documentation advises for x86."""


def quantize_naively(fp32: Path, split: Split, output: Path, precision: str = "naive int8") -> Path:
    """Quantize the FP32 file as one of `NAIVE` says, calibrated on ``split``; returns ``output``."""
    import onnx

    session = Session(fp32, device="cpu")
    with tempfile.TemporaryDirectory() as folder, quiet_quantizer():
        made = Path(folder, "naive.onnx")
        quantize_static(fp32, made, _Photographs(split, session), **NAIVE[precision])
        model = onnx.load(made)
    calibration = {"method": "minmax", "split": split.name, "images": len(split), "sha256": split.digest()}
    info = replace(session.info, precision=precision, calibration=calibration, evaluation={})
    write_bytes(output, model_file_bytes(model, info))
    return output
