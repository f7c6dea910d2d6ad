"""The classifier under load: photos per second, memory, and CPU time while idle."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from benchmarks.core.machine import peak_memory
from benchmarks.core.timing import interleaved, speedup
from runtime.classifier import BATCH_SIZE, FlowerClassifier
from runtime.inference.session import Session
from runtime.inference.shipped_models import DEFAULT_MODEL


def measure_many_photos(paths: Sequence[Path], rounds: int, threads: int) -> dict[str, Any]:
    """Measure photos per second from files to answers, and of the network alone on decoded pixels.

    Args:
        paths: photos.
        rounds: interleaved; each classifies all photos in every way.
        threads: of the network.
    """
    classifier = FlowerClassifier(device="cpu", threads=threads)
    session = Session(DEFAULT_MODEL, device="cpu", threads=threads)
    pixels = np.stack([classifier.info.preprocessing(path) for path in paths])

    def run_network(batch: int) -> None:
        for start in range(0, len(pixels), batch):
            session.logits(pixels[start : start + batch])

    contestants: dict[str, Callable[[], object]] = {
        "the network alone, one at a time": lambda: run_network(1),
        f"the network alone, {BATCH_SIZE} at a time": lambda: run_network(BATCH_SIZE),
        "predict_many, from files to answers": lambda: list(classifier.predict_many(paths)),
        "predict, one after another": lambda: [classifier.predict(path) for path in paths],
    }
    seconds = interleaved(contestants, rounds, "many photos", warmup=1)
    first = next(iter(contestants))
    return {
        "photos": len(paths),
        "rows": [
            {
                "name": name,
                "photos_per_second": [len(paths) / s for s in np.percentile(times, [75, 50, 25]).tolist()],
                "ratio": speedup(times, seconds[first]),
            }
            for name, times in seconds.items()
        ],
    }


def measure_memory(paths: Sequence[Path], count: int, threads: int) -> list[dict[str, int]]:
    """Return the peak memory of this process in bytes at ten moments while it classifies ``count`` photos.

    Args:
        paths: photos, which are repeated as often as necessary.
        count: how many to classify.
        threads: of the network.
    """
    classifier = FlowerClassifier(device="cpu", threads=threads)
    photos = (paths[number % len(paths)] for number in range(count))
    answers = tqdm(classifier.predict_many(photos, top=1), total=count, desc="memory", disable=None)
    return [
        {"photos": number, "peak_bytes": peak_memory()}
        for number, _ in enumerate(answers, 1)
        if number % max(1, count // 10) == 0
    ]


def measure_idle_cpu_time(seconds: float, photo: Path, threads: int) -> dict[str, float]:
    """Return the CPU time that a classifier uses in ``seconds`` without a photo, after it answered one."""
    classifier = FlowerClassifier(device="cpu", threads=threads)
    classifier.predict(photo)
    before = time.process_time()
    time.sleep(seconds)
    return {"seconds": seconds, "processor_seconds": time.process_time() - before}
