"""The classifier under load: photos per second, memory, large photos, and CPU time while idle."""

import io
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tqdm import tqdm

from benchmarks.core.machine import peak_memory
from benchmarks.core.timing import interleaved, percentiles, speedup
from runtime.classifier import BATCH_SIZE, FlowerClassifier
from runtime.inference.model_file import DEFAULT_MODEL
from runtime.inference.session import Session
from runtime.photos.open_photo import open_photo

PHONE_SIZE = (4000, 3000)
"""Width and height of a photo of 12 megapixels."""


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


def measure_large_photo(photo: Path, rounds: int) -> dict[str, Any]:
    """Time the decoding of a JPEG of 12 megapixels, at full and at reduced scale.

    Args:
        photo: a photo, which is enlarged.
        rounds: interleaved.
    """
    file = io.BytesIO()
    open_photo(photo).resize(PHONE_SIZE, Image.Resampling.LANCZOS).save(file, "JPEG", quality=90)
    content, preprocess = file.getvalue(), FlowerClassifier(device="cpu").info.preprocessing
    seconds = interleaved(
        {
            "at full scale": lambda: preprocess.crop(open_photo(content)),
            "at reduced scale": lambda: preprocess(content),
        },
        rounds,
        "large photo",
    )
    return {
        "size": PHONE_SIZE,
        "bytes": len(content),
        "rows": [
            {"name": name, **percentiles(times), "ratio": speedup(times, seconds["at full scale"])}
            for name, times in seconds.items()
        ],
    }


def measure_reduced_scale_accuracy(paths: Sequence[Path], labels: np.ndarray, threads: int) -> dict[str, Any]:
    """Measure how decoding at reduced scale changes answers, on photos enlarged to the size of a phone's.

    Args:
        paths: photos.
        labels: int, shape (photos,).
        threads: of the network.

    Returns:
        Top-1 of both ways and the share of equal answers, 0 to 1.
    """
    session = Session(DEFAULT_MODEL, device="cpu", threads=threads)
    preprocess = session.info.preprocessing
    answers: list[tuple[int, int]] = []
    for path in tqdm(paths, desc="reduced scale", unit="img", disable=None):
        image = open_photo(path)
        scale = min(PHONE_SIZE) / min(image.size)
        file = io.BytesIO()
        size = (round(image.width * scale), round(image.height * scale))
        image.resize(size, Image.Resampling.BICUBIC).save(file, "JPEG", quality=90)
        content = file.getvalue()
        logits = session.logits(np.stack([preprocess.crop(open_photo(content)), preprocess(content)]))
        full, reduced = logits.argmax(axis=1).tolist()
        answers.append((full, reduced))
    full_answers, reduced_answers = np.array(answers).T
    return {
        "photos": len(paths),
        "full_top1": float((full_answers == labels).mean()),
        "reduced_top1": float((reduced_answers == labels).mean()),
        "same": float((full_answers == reduced_answers).mean()),
    }


def measure_idle_cpu_time(seconds: float, photo: Path, threads: int) -> dict[str, float]:
    """Return the CPU time that a classifier uses in ``seconds`` without a photo, after it answered one."""
    classifier = FlowerClassifier(device="cpu", threads=threads)
    classifier.predict(photo)
    before = time.process_time()
    time.sleep(seconds)
    return {"seconds": seconds, "processor_seconds": time.process_time() - before}
