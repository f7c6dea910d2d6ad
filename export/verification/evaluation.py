"""Model files on photographs: what each answers, and how far apart the answers are."""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from tqdm import tqdm

from finetune.accuracy import mean_per_class, top_k
from finetune.data.photo_batches import photo_batches
from finetune.data.split import Split
from runtime.photos.preprocessing import Preprocessing

BATCH = 16


class Network(Protocol):
    """Anything that answers as a `runtime.inference.session.Session` does."""

    def logits(self, images: np.ndarray) -> np.ndarray:
        """uint8 (batch, size, size, 3) to float32 (batch, classes)."""


def run_split(networks: Mapping[str, Network], split: Split, preprocessing: Preprocessing) -> dict[str, np.ndarray]:
    """The logits of each network for every photograph of ``split``: float32, shape (images, classes).

    The photographs are decoded once, and each network sees exactly the same bytes.
    """
    parts: dict[str, list[np.ndarray]] = {name: [] for name in networks}
    with tqdm(total=len(split), desc=f"accuracy, {split.name}", unit="img", disable=None) as bar:
        for images in photo_batches(split.paths, preprocessing, BATCH):
            for name, network in networks.items():
                parts[name].append(network.logits(images))
            bar.update(len(images))
    return {name: np.concatenate(part) for name, part in parts.items()}


def summary(logits: np.ndarray, split: Split) -> dict[str, Any]:
    """The accuracy that a model file records for a split, in percent, with the number of images behind it."""
    return {
        "images": len(split),
        "of": split.official_size,
        "top1": round(100 * top_k(logits, split.labels), 2),
        "top5": round(100 * top_k(logits, split.labels, 5), 2),
        "mean_per_class": round(100 * mean_per_class(logits, split.labels), 2),
    }
