"""Running networks on a split of photographs, and the figures that a model file records for it."""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from tqdm import tqdm

from export.verification.comparison import Comparison, divergence
from finetune.accuracy import mean_per_class, top_k
from finetune.data.photo_batches import photo_batches
from finetune.data.split import Split
from runtime.photos.preprocessing import Preprocessing

BATCH = 16


class Network(Protocol):
    """Anything with the interface of `runtime.inference.session.Session`."""

    def logits(self, images: np.ndarray) -> np.ndarray:
        """uint8, shape (batch, size, size, 3), to float32, shape (batch, classes)."""


def run_split(networks: Mapping[str, Network], split: Split, preprocessing: Preprocessing) -> dict[str, np.ndarray]:
    """Run each network on every photograph of ``split``.

    The photographs are decoded once, so all networks get the same bytes.

    Returns:
        Name of the network → logits, float32, shape (images, classes).
    """
    parts: dict[str, list[np.ndarray]] = {name: [] for name in networks}
    with tqdm(total=len(split), desc=f"accuracy, {split.name}", unit="img", disable=None) as bar:
        for images in photo_batches(split.paths, preprocessing, BATCH):
            for name, network in networks.items():
                parts[name].append(network.logits(images))
            bar.update(len(images))
    return {name: np.concatenate(part) for name, part in parts.items()}


def summary(logits: np.ndarray, split: Split) -> dict[str, Any]:
    """Return the accuracy that a model file records for a split, in percent, with the number of images."""
    return {
        "images": len(split),
        "of": split.official_size,
        "top1": round(100 * top_k(logits, split.labels), 2),
        "top5": round(100 * top_k(logits, split.labels, 5), 2),
        "mean_per_class": round(100 * mean_per_class(logits, split.labels), 2),
    }


def compare_with_fp32(logits: np.ndarray, fp32_logits: np.ndarray, split: Split) -> dict[str, Any]:
    """Return what a model file records besides: FP32's top-1 and agreement in percent, the divergence in nats."""
    return {
        "fp32_top1": summary(fp32_logits, split)["top1"],
        "divergence_from_fp32": float(f"{divergence(fp32_logits, logits):.3g}"),
        "agreement_with_fp32": round(100 * Comparison.of(logits, fp32_logits).agreement, 2),
    }
