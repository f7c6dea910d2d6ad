"""Running networks on a split of photographs, and the figures that a model file records for it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from tqdm import tqdm

from export.confidence.cuts import named, verdicts
from export.verification.comparison import Comparison, divergence
from finetune.accuracy import mean_per_class, top_k
from finetune.data.photo_batches import photo_batches
from finetune.data.split import Split
from runtime.inference.model_file import ModelInfo
from runtime.inference.session import Outputs
from runtime.photos.preprocessing import Preprocessing

BATCH = 16


class Network(Protocol):
    """Anything with the interface of `runtime.inference.session.Session`."""

    def run(self, images: np.ndarray) -> Outputs:
        """uint8, shape (batch, size, size, 3), to logits and, if the network has it, familiarity."""


def batches_with_progress(split: Split, preprocessing: Preprocessing, title: str) -> Iterator[np.ndarray]:
    """Yield the photographs of ``split`` in order, uint8, shape (up to 16, size, size, 3), with a progress bar.

    Args:
        split: the photographs.
        preprocessing: of the network.
        title: what is done with them, for the bar.
    """
    with tqdm(total=len(split), desc=f"{title}, {split.name}", unit="img", disable=None) as bar:
        for images in photo_batches(split.paths, preprocessing, BATCH):
            yield images
            bar.update(len(images))


def run_split(networks: Mapping[str, Network], split: Split, preprocessing: Preprocessing) -> dict[str, Outputs]:
    """Run each network on every photograph of ``split``.

    The photographs are decoded once, so all networks get the same bytes.

    Returns:
        Name of the network → its outputs for all photographs.
    """
    parts: dict[str, list[Outputs]] = {name: [] for name in networks}
    for images in batches_with_progress(split, preprocessing, "accuracy"):
        for name, network in networks.items():
            parts[name].append(network.run(images))
    return {name: _join(part) for name, part in parts.items()}


def _join(parts: Sequence[Outputs]) -> Outputs:
    familiarity = [part.familiarity for part in parts if part.familiarity is not None]
    return Outputs(
        np.concatenate([part.logits for part in parts]), np.concatenate(familiarity) if familiarity else None
    )


def summary(logits: np.ndarray, split: Split) -> dict[str, Any]:
    """Return the accuracy that a model file records for a split, in percent, with the number of images."""
    return {
        "images": len(split),
        "of": split.official_size,
        "top1": round(100 * top_k(logits, split.labels), 2),
        "top5": round(100 * top_k(logits, split.labels, 5), 2),
        "mean_per_class": round(100 * mean_per_class(logits, split.labels), 2),
    }


def named_figures(outputs: Outputs, info: ModelInfo, split: Split) -> dict[str, Any]:
    """Return what a model file records of its verdicts, in percent.

    ``named`` is the share of photographs that get a name. ``named_right`` is the share of these names that are right,
    or None if there are none.
    """
    has_name = named(outputs, info.temperature, info.cuts)
    right = (outputs.logits.argmax(axis=1) == split.labels)[has_name]
    return {
        "named": round(100 * float(has_name.mean()), 2),
        "named_right": round(100 * float(right.mean()), 2) if has_name.any() else None,
    }


def same_verdicts(outputs: Outputs, info: ModelInfo, fp32_outputs: Outputs, fp32_info: ModelInfo) -> float:
    """Return on how many photographs a file gives the verdict of FP32, in percent, each with its own cuts."""
    own = verdicts(outputs, info.temperature, info.cuts)
    fp32 = verdicts(fp32_outputs, fp32_info.temperature, fp32_info.cuts)
    return round(100 * float((own == fp32).mean()), 2)


def compare_with_fp32(logits: np.ndarray, fp32_logits: np.ndarray, split: Split) -> dict[str, Any]:
    """Return what a model file records besides: FP32's top-1 and agreement in percent, the divergence in nats."""
    return {
        "fp32_top1": summary(fp32_logits, split)["top1"],
        "divergence_from_fp32": float(f"{divergence(fp32_logits, logits):.3g}"),
        "agreement_with_fp32": round(100 * Comparison.of(logits, fp32_logits).agreement, 2),
    }
