"""The sets of photographs: test photographs, known flowers by other people, other flowers, no flowers."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from finetune.data.split import Split
from runtime.errors import FlowerError
from runtime.photos.finding.listing import photos_below

Kind = Literal["test", "same", "other", "without"]
"""``test``: of the data set. ``same``: flowers that the model knows, by other people. ``other``: flowers of none of its
classes. ``without``: no flowers."""
UNKNOWN = -1
"""The label of a photograph of no class."""
WORDNET_NUMBER = re.compile(r"^n\d{8}_")
"""How the names of ImageNet's files begin."""


@dataclass(frozen=True)
class PhotoSet:
    """One row of the report."""

    kind: Kind
    photographs: Split
    """The labels are `UNKNOWN` for photographs of no class."""

    @property
    def name(self) -> str:
        """Of the set: its folder, or the split."""
        return self.photographs.name

    @property
    def known(self) -> bool:
        """Whether the photographs show classes of the model."""
        return self.kind in ("test", "same")

    def subject(self, index: int) -> str:
        """Return what a photograph shows: its class, the name of the folder of other flowers, or the file's name."""
        if self.known:
            return self.photographs.classes[int(self.photographs.labels[index])]
        if self.kind == "other":
            return self.name
        return WORDNET_NUMBER.sub("", self.photographs.paths[index].stem).replace("_", " ")


def read_photo_sets(
    test: Split, *, same: Path | None, other: Path | None, without: Path | None, limit: int | None = None
) -> list[PhotoSet]:
    """Return the test photographs as a set, and a set for each subfolder of the folders that are given.

    Photographs that lie directly in ``other`` or ``without`` are one set more.

    Args:
        test: of the data set of the model.
        same: subfolders that are named after classes of the model.
        other: flowers of none of its classes.
        without: photographs without flowers.
        limit: number of photographs of each set; None for all.

    Raises:
        FlowerError: a folder is missing or has no photographs, or a subfolder of ``same`` is no class of the model.
    """
    sets = [PhotoSet("test", test)]
    folders: tuple[tuple[Kind, Path | None], ...] = (("same", same), ("other", other), ("without", without))
    for kind, folder in folders:
        if folder is not None:
            sets += [_read_set(kind, name, paths, test.classes) for name, paths in _read_rows(folder, kind)]
    return [PhotoSet(each.kind, each.photographs.head(limit)) for each in sets]


def values_of_kinds(kinds: Sequence[Kind], sets: Sequence[PhotoSet], values: Sequence[np.ndarray]) -> np.ndarray:
    """Return the values of all photographs of some kinds, one after another.

    Args:
        kinds: to take.
        sets: all sets.
        values: for each set, an array with a row for each photograph.
    """
    chosen = [array for each, array in zip(sets, values, strict=True) if each.kind in kinds]
    return np.concatenate(chosen) if chosen else np.empty(0)


def _read_rows(folder: Path, kind: Kind) -> Iterator[tuple[str, list[Path]]]:
    """Yield name and photographs of each subfolder, and of the folder itself."""
    if not folder.is_dir():
        raise FlowerError(f"{folder}: no such folder")
    rows: dict[str, list[Path]] = {}
    for name, photo in photos_below(str(folder)):
        if isinstance(photo, FlowerError):
            raise photo
        inner = Path(name).relative_to(folder).parts
        rows.setdefault(inner[0] if len(inner) > 1 else folder.resolve().name, []).append(Path(name))
        if len(inner) == 1 and kind == "same":
            raise FlowerError(f"{name}: is in no subfolder; put it into one that is named after its class")
    if not rows:
        raise FlowerError(f"{folder}: no photographs in this folder")
    yield from rows.items()


def _read_set(kind: Kind, name: str, paths: list[Path], classes: tuple[str, ...]) -> PhotoSet:
    label = UNKNOWN
    if kind == "same":
        folded = [each.casefold() for each in classes]
        if name.casefold() not in folded:
            raise FlowerError(f"{name!r} is no class of the model; name the subfolders of --same-flowers after classes")
        label = folded.index(name.casefold())
    labels = np.full(len(paths), label, dtype=np.int64)
    return PhotoSet(kind, Split(name, tuple(paths), labels, classes, len(paths)))
