"""Times one model file in a process of its own: the network alone, one photo to its answer, and many photos.

Usage: python -m benchmarks.workers.answer_timing MODEL THREADS PHOTO…

Prints, as JSON, the milliseconds of each run of the network and of each answer, and the photos per second of the
network alone and of `FlowerClassifier.predict_many`.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from runtime.classifier import BATCH_SIZE, FlowerClassifier
from runtime.inference.session import Session

WARMUP = 10


def milliseconds(run: Callable[[], object]) -> float:
    """Return the time of one run."""
    started = time.perf_counter()
    run()
    return 1000 * (time.perf_counter() - started)


if __name__ == "__main__":
    model, threads, photos = sys.argv[1], int(sys.argv[2]), [Path(name) for name in sys.argv[3:]]
    session = Session(model, device="cpu", threads=threads)
    classifier = FlowerClassifier(model, device="cpu", threads=threads)
    contents = [photo.read_bytes() for photo in photos]
    pixels = np.stack([session.info.preprocessing(content) for content in contents])

    def run_batches() -> None:
        """Run the network on all photos."""
        for start in range(0, len(pixels), BATCH_SIZE):
            session.logits(pixels[start : start + BATCH_SIZE])

    for number in range(WARMUP):
        session.logits(pixels[number % len(pixels)][np.newaxis])
        classifier.predict(contents[number % len(contents)])
    run_batches()
    print(
        json.dumps(
            {
                "network": [milliseconds(lambda one=one: session.logits(one[np.newaxis])) for one in pixels],  # type: ignore[misc]
                "answer": [milliseconds(lambda one=one: classifier.predict(one)) for one in contents],  # type: ignore[misc]
                "network_per_second": 1000 * len(pixels) / milliseconds(run_batches),
                "many_per_second": 1000 * len(photos) / milliseconds(lambda: list(classifier.predict_many(photos))),
            }
        )
    )
