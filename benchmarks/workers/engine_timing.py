"""Times one engine in a process of its own and prints, as JSON, the milliseconds of each run on one photograph.

Usage: python -m benchmarks.workers.engine_timing onnxruntime|openvino MODEL THREADS RUNS
"""

import json
import sys
import time
from collections.abc import Callable

import numpy as np

from runtime.inference.model_file import INPUT, ModelInfo
from runtime.inference.session import Session

WARMUP = 10


def open_in_onnxruntime(model: str, threads: int) -> tuple[ModelInfo, Callable[[np.ndarray], object]]:
    """Open a model file as `runtime` does."""
    session = Session(model, device="cpu", threads=threads)
    return session.info, session.logits


def open_in_openvino(model: str, threads: int) -> tuple[ModelInfo, Callable[[np.ndarray], object]]:
    """Open a model file as OpenVINO's documentation recommends for one photograph at a time."""
    import openvino

    options = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": str(threads)}
    compiled = openvino.Core().compile_model(model, "CPU", options)
    return Session(model, device="cpu", threads=threads).info, lambda images: compiled({INPUT: images})


ENGINES = {"onnxruntime": open_in_onnxruntime, "openvino": open_in_openvino}

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
