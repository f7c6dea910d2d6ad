"""The classifier at work: many photos beside the network alone, memory, large photos, and what it does when idle."""

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
from runtime.classifier import BATCH, FlowerClassifier
from runtime.inference.model_file import DEFAULT_MODEL
from runtime.inference.session import Session
from runtime.photos.open_photo import open_photo

PHONE = (4000, 3000)
"""Twelve megapixels."""


def many_photos(paths: Sequence[Path], rounds: int, threads: int) -> dict[str, Any]:
    """Photos a second from files to answers, against the network alone on pixels that are ready."""
    classifier = FlowerClassifier(device="cpu", threads=threads)
    session = Session(DEFAULT_MODEL, device="cpu", threads=threads)
    pixels = np.stack([classifier.info.preprocessing(path) for path in paths])

    def network(batch: int) -> None:
        for start in range(0, len(pixels), batch):
            session.logits(pixels[start : start + batch])

    contestants: dict[str, Callable[[], object]] = {
        "the network alone, one at a time": lambda: network(1),
        f"the network alone, {BATCH} at a time": lambda: network(BATCH),
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


def memory(paths: Sequence[Path], count: int, threads: int) -> list[dict[str, int]]:
    """The peak of this process's memory while it answers ``count`` photos, at ten moments."""
    classifier = FlowerClassifier(device="cpu", threads=threads)
    photos = (paths[number % len(paths)] for number in range(count))
    found = []
    for number, _ in enumerate(
        tqdm(classifier.predict_many(photos, top=1), total=count, desc="memory", disable=None), 1
    ):
        if number % max(1, count // 10) == 0:
            found.append({"photos": number, "peak_bytes": peak_memory()})
    return found


def large_photo(photo: Path, rounds: int) -> dict[str, Any]:
    """Milliseconds to decode a photo of twelve megapixels, in full and at reduced scale."""
    file = io.BytesIO()
    open_photo(photo).resize(PHONE, Image.Resampling.LANCZOS).save(file, "JPEG", quality=90)
    content, rule = file.getvalue(), FlowerClassifier(device="cpu").info.preprocessing
    seconds = interleaved(
        {
            "in full": lambda: rule.crop(open_photo(content)),
            "at reduced scale": lambda: rule(content),
        },
        rounds,
        "large photo",
    )
    return {
        "size": PHONE,
        "bytes": len(content),
        "rows": [
            {"name": name, **percentiles(times), "ratio": speedup(times, seconds["in full"])}
            for name, times in seconds.items()
        ],
    }


def reduced_scale_accuracy(paths: Sequence[Path], labels: np.ndarray, threads: int) -> dict[str, Any]:
    """What decoding at reduced scale changes: each photo enlarged to a phone's size, answered both ways."""
    session = Session(DEFAULT_MODEL, device="cpu", threads=threads)
    rule = session.info.preprocessing
    answers: list[tuple[int, int]] = []
    for path in tqdm(paths, desc="reduced scale", unit="img", disable=None):
        image = open_photo(path)
        scale = min(PHONE) / min(image.size)
        file = io.BytesIO()
        size = (round(image.width * scale), round(image.height * scale))
        image.resize(size, Image.Resampling.BICUBIC).save(file, "JPEG", quality=90)
        content = file.getvalue()
        logits = session.logits(np.stack([rule.crop(open_photo(content)), rule(content)]))
        full, reduced = logits.argmax(axis=1).tolist()
        answers.append((full, reduced))
    full_answers, reduced_answers = np.array(answers).T
    return {
        "photos": len(paths),
        "full_top1": float((full_answers == labels).mean()),
        "reduced_top1": float((reduced_answers == labels).mean()),
        "same": float((full_answers == reduced_answers).mean()),
    }


def idle(seconds: float, photo: Path, threads: int) -> dict[str, float]:
    """Processor time that a classifier takes after an answer, while it is asked nothing."""
    classifier = FlowerClassifier(device="cpu", threads=threads)
    classifier.predict(photo)
    before = time.process_time()
    time.sleep(seconds)
    return {"seconds": seconds, "processor_seconds": time.process_time() - before}
