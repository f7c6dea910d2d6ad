"""A split: some photographs with their labels, wherever they come from."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from runtime.errors import FlowerError


class DataError(FlowerError):
    """A data set that is missing, incomplete or contradicts itself."""


@dataclass(frozen=True)
class Split:
    """Some photographs and their labels."""

    name: str
    paths: tuple[Path, ...]
    labels: np.ndarray
    """int64, shape (images,), counted from 0."""
    classes: tuple[str, ...]
    official_size: int
    """Images the split has in full; more than ``len(paths)`` where only a sample of it is present."""

    def __len__(self) -> int:
        return len(self.paths)

    def describe(self) -> str:
        """For example ``test (1,020 of 6,149 images)``."""
        if len(self) == self.official_size:
            return f"{self.name} ({len(self):,} images)"
        return f"{self.name} ({len(self):,} of {self.official_size:,} images)"

    def head(self, limit: int | None) -> "Split":
        """``limit`` images spread evenly over the split (all of them for None), in the split's order."""
        if limit is None or limit >= len(self):
            return self
        chosen = np.linspace(0, len(self) - 1, limit).round().astype(int)
        return Split(
            self.name,
            tuple(self.paths[index] for index in chosen),
            self.labels[chosen],
            self.classes,
            self.official_size,
        )

    def digest(self) -> str:
        """SHA-256 over the bytes of all images, in order: it changes when any image or their order does."""
        total = hashlib.sha256()
        for path in self.paths:
            try:
                total.update(hashlib.sha256(path.read_bytes()).digest())
            except OSError as error:
                raise DataError(f"{path}: cannot be read ({error.strerror})") from None
        return total.hexdigest()


def join_splits(splits: Sequence[Split]) -> Split:
    """Several splits of one data set as one, for example ``train+val``."""
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
