"""How well a model's probabilities and its threshold fit, on flowers and on pictures that show none."""

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.baselines.out_of_distribution import draw_out_of_distribution_pictures
from benchmarks.core.intervals import wilson
from export.confidence import BINS, expected_calibration_error
from export.verification.evaluation import run_split
from finetune.data.split import Split
from runtime.answer import softmax
from runtime.inference.session import Session
from runtime.photos.listing import photos_below


def measure_confidence(model: Path, split: Split, out_of_distribution: Path | None, threads: int) -> dict[str, Any]:
    """Measure the probabilities that the runtime shows, which are the softmax of logits divided by the temperature.

    Args:
        model: a model file with a temperature and a threshold.
        split: photographs of flowers.
        out_of_distribution: a folder of photos that show no flower, or None for drawn pictures.
        threads: of the network.

    Returns:
        Shares from 0 to 1: expected calibration error (C. Guo et al., "On calibration of modern neural networks", ICML
        2017), mean probability, accuracy above and below the threshold; and counts of the other pictures.
    """
    session = Session(model, device="cpu", threads=threads)
    info = session.info
    temperature = np.float32(info.temperature)
    probabilities = softmax(run_split({"file": session}, split, info.preprocessing)["file"] / temperature)
    passing = probabilities.max(axis=1) >= info.threshold
    right = probabilities.argmax(axis=1) == split.labels
    if out_of_distribution:
        pictures = [info.preprocessing(name) for name, _ in photos_below(str(out_of_distribution))]
    else:
        pictures = [info.preprocessing(image) for image in draw_out_of_distribution_pictures()]
    best = np.array([softmax(session.logits(pixels[None]) / temperature).max() for pixels in pictures])
    return {
        "split": split.describe(),
        "temperature": info.temperature,
        "threshold": info.threshold,
        "bins": BINS,
        "calibration_error": expected_calibration_error(probabilities, split.labels),
        "mean_probability": float(probabilities.max(axis=1).mean()),
        "top1": float(right.mean()),
        "passing": float(passing.mean()),
        "passing_interval": wilson(int(passing.sum()), len(passing)),
        "right_of_passing": float(right[passing].mean()) if passing.any() else None,
        "right_of_unsure": float(right[~passing].mean()) if (~passing).any() else None,
        "out_of_distribution": {
            "given": bool(out_of_distribution),
            "images": len(best),
            "unsure": int((best < info.threshold).sum()),
        },
    }
