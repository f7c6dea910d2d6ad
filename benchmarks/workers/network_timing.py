"""Times the network of one model file in a process of its own, and prints, as JSON, the milliseconds of each run.

Usage: python -m benchmarks.workers.network_timing MODEL SIZE THREADS RUNS

The file is opened with the runtime's options, and no optimised form of it is kept in the user's cache: a search has
more files than the cache.
"""

import json
import sys
import time

import numpy as np
import onnxruntime

from runtime.inference.model_file import INPUT
from runtime.inference.session import session_options

WARMUP = 10

if __name__ == "__main__":
    model, size, threads, runs = sys.argv[1], *map(int, sys.argv[2:])
    session = onnxruntime.InferenceSession(model, session_options(threads), providers=["CPUExecutionProvider"])
    images = {INPUT: np.random.default_rng(0).integers(0, 256, (1, size, size, 3), dtype=np.uint8)}
    for _ in range(WARMUP):
        session.run(None, images)
    milliseconds = []
    for _ in range(runs):
        started = time.perf_counter()
        session.run(None, images)
        milliseconds.append(1000 * (time.perf_counter() - started))
    print(json.dumps(milliseconds))
