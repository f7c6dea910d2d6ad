"""Times one engine in a process of its own and prints, as JSON, the milliseconds of each run on one photograph.

Usage: python -m benchmarks.workers.engine_timing ENGINE FORM PATH SIZE THREADS RUNS
"""

import json
import sys
import time
from pathlib import Path

import numpy as np

from benchmarks.engines.registry import ENGINES
from benchmarks.workers import one_line_errors, own_standard_output

WARMUP = 10

if __name__ == "__main__":
    engine, form, path, size, threads, runs = sys.argv[1:]
    side = int(size)
    with own_standard_output() as output, one_line_errors():
        answer = ENGINES[engine].form(form).open(Path(path), int(threads))
        images = np.random.default_rng(0).integers(0, 256, (1, side, side, 3), dtype=np.uint8)
        for _ in range(WARMUP):
            answer(images)
        milliseconds = []
        for _ in range(int(runs)):
            started = time.perf_counter()
            answer(images)
            milliseconds.append(1000 * (time.perf_counter() - started))
        print(json.dumps(milliseconds), file=output)
