"""A user's own data set: photographs in folders that are named after their classes.

Two layouts, as in torchvision's ``ImageFolder``: ``DATA/train/CLASS/*.jpg`` with ``DATA/val`` and ``DATA/test``, or
only ``DATA/CLASS/*.jpg``. The second is split here: of each class, one photograph in ten (at least one) goes to
validation and the same number to testing. The choice depends only on a hash of the file names. So every command sees
the same splits, and a new photograph moves few of the others to another split.
"""

import hashlib
import os
from pathlib import Path

import numpy as np

from finetune.data.split import SPLITS, DataError, Split
from runtime.photos.formats import SUFFIXES
from runtime.photos.left_out import is_never_photo

HELD_OUT_EVERY = 10
"""One photograph in this many goes to validation, and one to testing."""


def is_class_folders(data: Path) -> bool:
    """Return whether ``data`` holds photographs in class-named folders, directly or below ``train``.

    A single folder ``jpg`` does not count: it is a data set of Oxford whose ``.mat`` files are missing.
    """
    classes = _photos_by_class(data / "train") if (data / "train").is_dir() else _photos_by_class(data)
    return bool(classes) and set(classes) != {"jpg"}


def read_class_folders(data: Path, name: str) -> Split:
    """Read one split (``train``, ``val`` or ``test``) from class-named folders, the classes in alphabetical order.

    Raises:
        DataError: no such split, fewer than two classes, a class with too few photographs to split, or a class that
            ``train`` does not have.
    """
    if (data / "train").is_dir():
        classes = _photos_by_class(data / "train")
        photographs = _photos_by_class(data / name) if (data / name).is_dir() else {}
        if not photographs:
            raise DataError(f"{data / name}: no photographs in class-named folders; the split {name} needs them")
        unknown_classes = sorted(photographs.keys() - classes.keys())
        if unknown_classes:
            folder = data / name / unknown_classes[0]
            raise DataError(f"{folder}: this class is not in {data / 'train'}; add it there, or remove this folder")
    else:
        classes = _photos_by_class(data)
        photographs = {label: _select_split(data / label, paths, name) for label, paths in classes.items()}
    if len(classes) < 2:
        raise DataError(f"{data}: photographs of only one class, {next(iter(classes))!r}; add at least one more class")
    names = tuple(classes)
    paths = tuple(path for label in names for path in photographs.get(label, ()))
    labels = np.array([index for index, label in enumerate(names) for _ in photographs.get(label, ())], dtype=np.int64)
    return Split(name, paths, labels, names, len(paths))


def _photos_by_class(folder: Path) -> dict[str, list[Path]]:
    """Return the photographs of each class, in alphabetical order, without hidden files and those of systems."""
    classes = {}
    for path in sorted(folder.iterdir()):
        if path.is_dir() and not is_never_photo(path.name):
            photographs = sorted(
                file for file in path.iterdir() if file.suffix.lower() in SUFFIXES and not is_never_photo(file.name)
            )
            if photographs:
                try:
                    path.name.encode()
                except UnicodeEncodeError:
                    # Class names go into model files, tables and web pages. File names stay here, and may be any bytes.
                    raise DataError(f"{path}: the name of this class is not UTF-8; rename the folder") from None
                classes[path.name] = photographs
    return classes


def _select_split(folder: Path, paths: list[Path], name: str) -> list[Path]:
    """Return the photographs of one class that belong to the split ``name``."""
    if len(paths) < len(SPLITS):
        raise DataError(
            f"{folder}: {len(paths)} photographs cannot be split into training, validation and test; "
            f"add photographs: {len(SPLITS)} are the minimum, and about thirty are a useful start"
        )
    shuffled = sorted(paths, key=lambda path: hashlib.sha256(os.fsencode(path.name)).digest())
    held_out = max(1, len(paths) // HELD_OUT_EVERY)
    start, end = {"val": (0, held_out), "test": (held_out, 2 * held_out), "train": (2 * held_out, len(paths))}[name]
    return sorted(shuffled[start:end])
