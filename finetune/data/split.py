"""A split: photographs with their labels, independent of the layout on disk."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from finetune.data.content_digest import content_digest
from finetune.data.errors import DataError

__all__ = ["SPLITS", "DataError", "Split", "join_splits"]

SPLITS = ("train", "val", "test")
FINGERPRINT = 16
"""With 64 bits, two of a million photographs are taken for one with a probability of 3e-8."""


@dataclass(frozen=True)
class Split:
    """Photographs and their labels."""

    name: str
    paths: tuple[Path, ...]
    labels: np.ndarray
    """int64, shape (images,): indices into ``classes``."""
    classes: tuple[str, ...]
    official_size: int
    """Number of images in the complete split; more than ``len(paths)`` if only a sample is present."""

    def __len__(self) -> int:
        return len(self.paths)

    def describe(self) -> str:
        """Return, for example, ``test (1,020 of 6,149 images)``."""
        if len(self) == self.official_size:
            return f"{self.name} ({len(self):,} images)"
        return f"{self.name} ({len(self):,} of {self.official_size:,} images)"

    def head(self, limit: int | None) -> "Split":
        """Return ``limit`` images at equal distances in the split, in its order; all images for None."""
        if limit is None or limit >= len(self):
            return self
        selected = spread_evenly(len(self), limit)
        return Split(
            self.name,
            tuple(self.paths[index] for index in selected),
            self.labels[selected],
            self.classes,
            self.official_size,
        )

    def digest(self) -> str:
        """Return the SHA-256 over the bytes of all images in order. It changes with every image and with their order.

        Raises:
            DataError: an image cannot be read.
        """
        total = hashlib.sha256()
        for path in self.paths:
            total.update(bytes.fromhex(content_digest(path)))
        return total.hexdigest()

    def fingerprints(self) -> tuple[str, ...]:
        """Return the first `FINGERPRINT` hexadecimal digits of each image's SHA-256, which tell images apart.

        Raises:
            DataError: an image cannot be read.
        """
        return tuple(content_digest(path)[:FINGERPRINT] for path in self.paths)


def spread_evenly(total: int, limit: int) -> np.ndarray:
    """Return the positions of ``limit`` of ``total`` photographs, at equal distances: int, shape (up to ``limit``,).

    Splits are in the order of their classes, so the first photographs of a split show only a few classes.
    """
    return np.linspace(0, total - 1, min(limit, total)).round().astype(int)


def join_splits(splits: Sequence[Split]) -> Split:
    """Join several splits of one data set into one, for example ``train+val``."""
    first = splits[0]
    if len(splits) == 1:
        return first
    return Split(
        "+".join(split.name for split in splits),
        tuple(path for split in splits for path in split.paths),
        np.concatenate([split.labels for split in splits]),
        first.classes,
        sum(split.official_size for split in splits),
    )
