"""Decoding large photos at reduced scale: how much faster it is, and how little it changes the answers."""

import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tqdm import tqdm

from benchmarks.core.comparisons import compare_paired
from benchmarks.core.timing import interleaved, percentiles, speedup
from runtime.answers.answer import AnswerRule
from runtime.inference.session import Session
from runtime.inference.shipped_models import DEFAULT_MODEL
from runtime.photos.open_photo import open_photo

PHONE_SIZE = (4000, 3000)
"""Width and height of a photo of 12 megapixels."""


def measure_decoding_time(photo: Path, rounds: int) -> dict[str, Any]:
    """Time the decoding of a JPEG of 12 megapixels, at full and at reduced scale.

    Args:
        photo: a photo, which is enlarged.
        rounds: interleaved.
    """
    file = io.BytesIO()
    open_photo(photo).resize(PHONE_SIZE, Image.Resampling.LANCZOS).save(file, "JPEG", quality=90)
    content, preprocess = file.getvalue(), Session(DEFAULT_MODEL, device="cpu").info.preprocessing
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


def measure_enlarged_photos(paths: Sequence[Path], labels: np.ndarray, threads: int) -> dict[str, Any]:
    """Measure answers at both scales on photos of known classes that are enlarged to the size of a phone's.

    An enlarged photo has less detail than one of a camera, so `measure_camera_photos` is the harder test.

    Args:
        paths: photos.
        labels: int, shape (photos,).
        threads: of the network.

    Returns:
        Besides the values of `measure_camera_photos`, top-1 of both ways and its paired difference; shares from 0 to 1.
    """
    full, reduced = _probabilities((_enlarged(path) for path in paths), len(paths), threads)
    full_hits, reduced_hits = full.argmax(axis=1) == labels, reduced.argmax(axis=1) == labels
    paired = compare_paired(reduced_hits, full_hits)
    return {
        **_differences(full, reduced),
        "full_top1": float(full_hits.mean()),
        "reduced_top1": float(reduced_hits.mean()),
        "top1_difference": paired.difference,
        "top1_difference_interval": paired.interval,
        "p_value": paired.p_value,
    }


def measure_camera_photos(paths: Sequence[Path], threads: int) -> dict[str, Any]:
    """Measure answers at both scales on photos as a camera wrote them.

    Args:
        paths: JPEG files of several megapixels.
        threads: of the network.

    Returns:
        Number of photos, the share with the same first answer, and percentiles over the photos of the largest
        difference of any probability, 0 to 1.
    """
    sizes = []
    for path in paths:
        with Image.open(path) as image:
            sizes.append(image.width * image.height / 1e6)
    full, reduced = _probabilities((path.read_bytes() for path in paths), len(paths), threads)
    return {**_differences(full, reduced), "megapixels": [min(sizes), float(np.median(sizes)), max(sizes)]}


def _enlarged(path: Path) -> bytes:
    image = open_photo(path)
    scale = min(PHONE_SIZE) / min(image.size)
    file = io.BytesIO()
    size = (round(image.width * scale), round(image.height * scale))
    image.resize(size, Image.Resampling.BICUBIC).save(file, "JPEG", quality=90)
    return file.getvalue()


def _probabilities(contents: Iterable[bytes], count: int, threads: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the probabilities at full and at reduced scale: float32, shape (photos, classes)."""
    session = Session(DEFAULT_MODEL, device="cpu", threads=threads)
    preprocess, rule = session.info.preprocessing, AnswerRule(session.info)
    rows = [
        rule.probabilities(session.logits(np.stack([preprocess.crop(open_photo(content)), preprocess(content)])))
        for content in tqdm(contents, total=count, desc="reduced scale", unit="img", disable=None)
    ]
    full, reduced = np.stack(rows, axis=1)
    return full, reduced


def _differences(full: np.ndarray, reduced: np.ndarray) -> dict[str, Any]:
    largest = np.abs(full - reduced).max(axis=1)
    return {
        "photos": len(full),
        "same": float((full.argmax(axis=1) == reduced.argmax(axis=1)).mean()),
        "difference_p50": float(np.median(largest)),
        "difference_p95": float(np.percentile(largest, 95)),
        "difference_max": float(largest.max()),
    }
