"""Stage 1: read the checkpoint and the splits, and check that they belong together."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from export.errors import ExportError
from finetune.data.dataset import read_split
from finetune.data.photo_batches import photo_batches
from finetune.data.split import SPLITS, Split, join_splits
from finetune.network.checkpoint import Checkpoint, load_checkpoint

BATCH = 16


@dataclass(frozen=True)
class ExportInputs:
    """What an export starts from."""

    checkpoint_file: Path
    checkpoint: Checkpoint
    calibration: Split
    """Validation photographs: for activation ranges, all choices, temperature and cuts."""
    evaluation: Split | None
    """Photographs on which the finished files are measured besides."""
    training: Split
    """The photographs that the network was trained on: for the class distance and quantization-aware fine-tuning."""

    @property
    def trained_on_calibration(self) -> bool:
        """Whether the network was trained on the calibration photographs."""
        return self.was_trained_on(self.calibration)

    def was_trained_on(self, split: Split) -> bool:
        """Return whether the network was trained with the labels of ``split``."""
        return split.name in training_splits(self.checkpoint.provenance)

    def calibration_batches(self) -> Iterator[np.ndarray]:
        """Decode the calibration photographs: uint8, shape (up to 16, size, size, 3)."""
        return photo_batches(self.calibration.paths, self.checkpoint.preprocessing, BATCH)

    def calibration_sample(self) -> np.ndarray:
        """Decode one batch, spread evenly over the calibration photographs: uint8, shape (up to 16, size, size, 3)."""
        return next(photo_batches(self.calibration.head(BATCH).paths, self.checkpoint.preprocessing, BATCH))


def load(
    checkpoint_file: Path,
    data: Path,
    *,
    calibration_images: int | None,
    evaluate: str | None,
    evaluation_images: int | None,
) -> ExportInputs:
    """Read everything that the export needs.

    Args:
        checkpoint_file: from ``python -m finetune``.
        data: the data set.
        calibration_images: number of validation photographs; None for all.
        evaluate: ``test``, ``train`` or None.
        evaluation_images: number of photographs of that split; None for all.

    Raises:
        CheckpointError: the checkpoint is missing or damaged.
        DataError: the data set is missing or damaged.
        ExportError: checkpoint and data set have different classes.
    """
    evaluation = read_split(data, evaluate).head(evaluation_images) if evaluate else None
    calibration = read_split(data, "val").head(calibration_images)
    checkpoint = load_checkpoint(checkpoint_file)
    if checkpoint.classes != calibration.classes:
        raise ExportError(
            f"{checkpoint_file}: has {len(checkpoint.classes)} classes ({checkpoint.classes[0]}, …), the data set has "
            f"{len(calibration.classes)} ({calibration.classes[0]}, …); give the data it was trained on"
        )
    training = join_splits([read_split(data, name) for name in training_splits(checkpoint.provenance)])
    return ExportInputs(checkpoint_file, checkpoint, calibration, evaluation, training)


def training_splits(provenance: Mapping[str, Any]) -> list[str]:
    """Return the names of the splits that a network was trained on, as its provenance records them."""
    names = str(provenance.get("train_split", "train")).split("+")
    return [name for name in SPLITS if name in names] or ["train"]
