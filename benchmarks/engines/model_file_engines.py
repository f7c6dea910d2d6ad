"""The engines that run the model files of this project as they are: onnxruntime and OpenVINO."""

from pathlib import Path

import numpy as np

from benchmarks.engines.engine import Engine, Form
from benchmarks.engines.opening.answer import Answer
from runtime.inference.model_file import INPUT, OUTPUT
from runtime.inference.session import Session

MODEL_FILE = "file"
"""The name of the form that is a model file."""
INTAKE = "the network takes the bytes"


def open_in_onnxruntime(model: Path, threads: int) -> Answer:
    """Open a model file as `runtime` does."""
    return Session(model, device="cpu", threads=threads).logits


def open_in_openvino(model: Path, threads: int) -> Answer:
    """Open a model file as OpenVINO's documentation recommends for one photograph at a time."""
    import openvino

    options = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": str(threads)}
    compiled = openvino.Core().compile_model(model, "CPU", options)

    def answer(images: np.ndarray) -> np.ndarray:
        logits: np.ndarray = compiled({INPUT: images})[OUTPUT]
        return logits

    return answer


ONNXRUNTIME = Engine("onnxruntime", ("onnxruntime",), (Form(MODEL_FILE, "model file", INTAKE, open_in_onnxruntime),))
OPENVINO = Engine(
    "openvino", ("openvino",), (Form(MODEL_FILE, "model file", INTAKE, open_in_openvino),), extra="openvino"
)
