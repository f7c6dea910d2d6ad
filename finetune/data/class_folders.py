"""Other flowers, other people: photographs in folders named after their classes.

Two layouts, those of torchvision's ``ImageFolder``: ``DATA/train/CLASS/*.jpg`` with ``DATA/val`` and ``DATA/test``
beside it, or ``DATA/CLASS/*.jpg`` alone. The latter is split here: of every class one photograph in ten, and at least
one, is for validation, and as many for testing. Which ones depends on the files' names alone, by way of a hash, so that
a new photograph moves few of the others, and every command sees the same splits.
"""

import hashlib
from pathlib import Path

import numpy as np

from finetune.data.split import DataError, Split
from runtime.photos.formats import SUFFIXES

NAMES = ("train", "val", "test")
HELD_OUT = 10
"""One photograph in this many is for validation, and one for testing."""


def is_class_folders(data: Path) -> bool:
    """Whether ``data`` holds photographs in folders, directly or below ``train``.

    A lone ``jpg`` is no class: it is what is left of Oxford's data set when its ``.mat`` files are missing.
    """
    classes = _classes(data / "train") if (data / "train").is_dir() else _classes(data)
    return bool(classes) and set(classes) != {"jpg"}


def read_folders(data: Path, name: str) -> Split:
    """Read one split (``train``, ``val`` or ``test``) from class-named folders. The classes are in the names' order.

    Raises:
        DataError: no such split, fewer than two classes, a class with too few photographs to split, or other classes in
            one split than in ``train``.
    """
    if (data / "train").is_dir():
        classes = _classes(data / "train")
        photographs = _classes(data / name) if (data / name).is_dir() else {}
        if not photographs:
            raise DataError(f"{data / name}: no photographs in class-named folders here, which the split {name} needs")
        strangers = sorted(photographs.keys() - classes.keys())
        if strangers:
            raise DataError(f"{data / name / strangers[0]}: this class is not in {data / 'train'}")
    else:
        classes = _classes(data)
        photographs = {label: _share(data / label, paths, name) for label, paths in classes.items()}
    if len(classes) < 2:
        raise DataError(f"{data}: photographs of one class alone, {next(iter(classes))!r}; at least two are needed")
    names = tuple(classes)
    paths = tuple(path for label in names for path in photographs.get(label, ()))
    labels = np.array([index for index, label in enumerate(names) for _ in photographs.get(label, ())], dtype=np.int64)
    return Split(name, paths, labels, names, len(paths))


def _classes(folder: Path) -> dict[str, list[Path]]:
    """The photographs of each class, both in the order of their names. Hidden files and folders are passed over."""
    found = {}
    for path in sorted(folder.iterdir()):
        if path.is_dir() and not path.name.startswith("."):
            photographs = sorted(
                file for file in path.iterdir() if file.suffix.lower() in SUFFIXES and not file.name.startswith(".")
            )
            if photographs:
                found[path.name] = photographs
    return found


def _share(folder: Path, paths: list[Path], name: str) -> list[Path]:
    """The photographs of one class that belong to the split ``name``."""
    if len(paths) < len(NAMES):
        raise DataError(
            f"{folder}: {len(paths)} photographs cannot be split into training, validation and test; "
            f"at least {len(NAMES)} are needed, and thirty are a start"
        )
    shuffled = sorted(paths, key=lambda path: hashlib.sha256(path.name.encode()).digest())
    held_out = max(1, len(paths) // HELD_OUT)
    start, end = {"val": (0, held_out), "test": (held_out, 2 * held_out), "train": (2 * held_out, len(paths))}[name]
    return sorted(shuffled[start:end])
