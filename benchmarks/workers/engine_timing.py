"""One engine, alone in its process: prints as JSON the milliseconds of each run of a model file on one photograph.

Usage: engine.py onnxruntime|openvino MODEL THREADS RUNS
"""

import json
import sys
import time
from collections.abc import Callable

import numpy as np

from runtime.inference.model_file import INPUT, ModelInfo
from runtime.inference.session import Session

WARMUP = 10


def onnxruntime_engine(model: str, threads: int) -> tuple[ModelInfo, Callable[[np.ndarray], object]]:
    """As `runtime` opens it."""
    session = Session(model, device="cpu", threads=threads)
    return session.info, session.logits


def openvino_engine(model: str, threads: int) -> tuple[ModelInfo, Callable[[np.ndarray], object]]:
    """As OpenVINO's documentation advises for one photograph at a time."""
    import openvino

    options = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": str(threads)}
    compiled = openvino.Core().compile_model(model, "CPU", options)
    return Session(model, device="cpu", threads=threads).info, lambda images: compiled({INPUT: images})


ENGINES = {"onnxruntime": onnxruntime_engine, "openvino": openvino_engine}

if __name__ == "__main__":
    engine, model, threads, runs = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    info, run = ENGINES[engine](model, threads)
    size = info.preprocessing.size
    images = np.random.default_rng(0).integers(0, 256, (1, size, size, 3), dtype=np.uint8)
    for _ in range(WARMUP):
        run(images)
    milliseconds = []
    for _ in range(runs):
        started = time.perf_counter()
        run(images)
        milliseconds.append(1000 * (time.perf_counter() - started))
    print(json.dumps(milliseconds))
