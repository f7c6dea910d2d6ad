"""Accuracy of checkpoints, and of variants of a checkpoint, for the training report."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.optim.swa_utils import update_bn

from benchmarks.core.intervals import mean_per_class_interval, wilson
from export.graph.networks import TorchNetwork
from export.verification.evaluation import run_split
from finetune.accuracy import hits, mean_per_class
from finetune.data.photo_batches import photo_batches
from finetune.data.split import Split
from finetune.network.checkpoint import Checkpoint, load_checkpoint
from finetune.network.tensor_files import load_untrusted
from finetune.run.output_folder import LOG
from runtime.errors import FlowerError
from runtime.files.digest import file_digest
from runtime.photos.preprocessing import Preprocessing

BATCH = 32


def checkpoint_figures(name: str, path: Path, splits: tuple[Split, ...]) -> dict[str, Any]:
    """Measure a checkpoint on each split.

    Args:
        name: of the run, for the report.
        path: of the checkpoint. If the log of its run is beside it, the minutes of all epochs are recorded, too.
        splits: of photographs.
    """
    checkpoint = load_checkpoint(path)
    figures: dict[str, Any] = {"name": name, "sha256": file_digest(path), "recipe": checkpoint.recipe}
    if (log := path.with_name(LOG)).is_file():
        figures["minutes"] = sum(json.loads(line)["seconds"] for line in log.read_text().splitlines()) / 60
    for split in splits:
        logits = _logits(checkpoint, split, checkpoint.preprocessing)
        right = hits(logits, split.labels)
        figures[split.name] = {
            "images": len(split),
            "top1": float(right.mean()),
            "top1_interval": wilson(int(right.sum()), len(right)),
            "mean_per_class": mean_per_class(logits, split.labels),
            "mean_per_class_interval": mean_per_class_interval(right, split.labels),
        }
    return figures


def checkpoint_hits(
    checkpoint: Checkpoint, split: Split, size: int | None = None, crop_pct: float = 0.875
) -> np.ndarray:
    """Return for each photograph whether the top-1 is right: bool, shape (images,).

    Args:
        checkpoint: the network.
        split: the photographs.
        size: pixels of the network's input, or None for the checkpoint's own preprocessing.
        crop_pct: share of the photo's shorter side that is cropped; used with ``size`` only.
    """
    preprocessing = checkpoint.preprocessing
    if size is not None:
        preprocessing = Preprocessing(size, crop_pct, preprocessing.interpolation)
    return hits(_logits(checkpoint, split, preprocessing), split.labels)


def with_new_batchnorm_statistics(checkpoint: Checkpoint, split: Split) -> Checkpoint:
    """Return the network with BatchNorm's statistics recomputed on ``split``, without augmentation."""
    network = checkpoint.network()
    update_bn((torch.from_numpy(p) for p in photo_batches(split.paths, checkpoint.preprocessing, BATCH)), network)
    return replace(checkpoint, state_dict=dict(network.resnet.state_dict()))


def without_weight_average(checkpoint: Checkpoint, state: Path) -> Checkpoint:
    """Return the network with the trained weights instead of their moving average.

    Args:
        checkpoint: with the average.
        state: the training state of the same run, which has both.

    Raises:
        FlowerError: the file has no training state.
    """
    content = load_untrusted(state)
    if not isinstance(content, dict) or "network" not in content:
        raise FlowerError(f"{state}: holds no training state; delete the folder of the run and train it again")
    trained = {name.removeprefix("resnet."): tensor.contiguous() for name, tensor in content["network"].items()}
    return replace(checkpoint, state_dict=trained)


def _logits(checkpoint: Checkpoint, split: Split, preprocessing: Preprocessing) -> np.ndarray:
    return run_split({"network": TorchNetwork(checkpoint)}, split, preprocessing)["network"].logits
