"""The baseline: onnxruntime's ``quantize_static`` as it comes, with min-max on the same photographs."""

import logging
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from onnxruntime.quantization import CalibrationDataReader, quantize_static
from tqdm import tqdm

from export.graph import finished
from finetune.photos import batches
from finetune.split import Split
from runtime.atomic import write_bytes
from runtime.modelfile import INPUT
from runtime.session import Session


class _Photographs(CalibrationDataReader):
    """One photograph at a time, as the examples of onnxruntime do it."""

    def __init__(self, split: Split, session: Session) -> None:
        photographs = batches(split.paths, session.info.preprocessing, 1)
        self._photographs = iter(tqdm(photographs, total=len(split), desc="naive", unit="img", disable=None))

    def get_next(self) -> dict[str, np.ndarray] | None:
        images = next(self._photographs, None)
        return None if images is None else {INPUT: images}


def quantize_naively(fp32: Path, split: Split, output: Path) -> Path:
    """Quantize the FP32 file with every option left as it is, calibrated on ``split``; returns ``output``."""
    import onnx

    session = Session(fp32, device="cpu")
    logging.getLogger().setLevel(logging.ERROR)  # it advises to pre-process, which changes nothing here
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder, "naive.onnx")
        quantize_static(fp32, made, _Photographs(split, session))
        model = onnx.load(made)
    calibration = {"method": "minmax", "split": split.name, "images": len(split), "sha256": split.digest()}
    info = replace(session.info, precision="naive int8", calibration=calibration, evaluation={})
    write_bytes(output, finished(model, info))
    return output
