"""A user's own data set: photographs in folders that are named after their classes.

Two layouts, as in torchvision's ``ImageFolder``: ``DATA/train/CLASS/*.jpg`` with ``DATA/val`` and ``DATA/test``, or
only ``DATA/CLASS/*.jpg``, which is split here (`finetune.data.hash_split`).
"""

import unicodedata
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from finetune.data.hash_split import select_split
from finetune.data.split import SPLITS, DataError, Split
from runtime.photos.finding.left_out import is_never_photo
from runtime.photos.formats import SUFFIXES

SPLIT_NAMES = {
    "train": "train", "training": "train",
    "val": "val", "valid": "val", "validation": "val",
    "test": "test", "testing": "test",
}  # fmt: skip
"""Name of a folder in lower case → the split that it holds."""


LINE_BREAKERS = ("Cc", "Zl", "Zp")
"""Unicode's categories of control characters and line ends, which would break tables and terminals."""


def is_class_folders(data: Path) -> bool:
    """Return whether ``data`` holds photographs in class-named folders, directly or below a folder for training.

    A single folder ``jpg`` does not count: it is a data set of Oxford whose ``.mat`` files are missing.

    Raises:
        DataError: the folders contradict each other.
    """
    folders = _split_folders(data)
    classes = _photos_by_class(folders.get("train", data))
    return bool(classes) and set(classes) != {"jpg"}


def read_class_folders(data: Path, name: str) -> Split:
    """Read one split (``train``, ``val`` or ``test``) from class-named folders, the classes in alphabetical order.

    Raises:
        DataError: no such split, fewer than two classes, a class with too few photographs to split, or a class that
            the training photographs do not have.
    """
    folders = _split_folders(data)
    if folders:
        classes = _photos_by_class(folders["train"])
        photographs = _photos_by_class(folders[name]) if name in folders else {}
        if not photographs:
            others = sorted(path.name for path in data.iterdir() if path.is_dir() and not is_never_photo(path.name))
            raise DataError(
                f"{data / name}: no photographs in class-named folders; the split {name} needs them. The folders there "
                f"are {', '.join(others)}"
            )
        unknown_classes = sorted(photographs.keys() - classes.keys())
        if unknown_classes:
            folder = photographs[unknown_classes[0]][0].parent
            raise DataError(f"{folder}: this class is not in {folders['train']}; add it there, or remove this folder")
    else:
        classes = _photos_by_class(data)
        photographs = {label: select_split(data / label, paths, name) for label, paths in classes.items()}
    if len(classes) < 2:
        raise DataError(f"{data}: photographs of only one class, {next(iter(classes))!r}; add at least one more class")
    names = tuple(classes)
    paths = tuple(path for label in names for path in photographs.get(label, ()))
    labels = np.array([index for index, label in enumerate(names) for _ in photographs.get(label, ())], dtype=np.int64)
    return Split(name, paths, labels, names, len(paths))


def _split_folders(data: Path) -> Mapping[str, Path]:
    """Return split → its folder; nothing if the photographs are not divided into splits yet."""
    found: dict[str, Path] = {}
    class_folders = []
    for path in sorted(path for path in data.iterdir() if path.is_dir() and not is_never_photo(path.name)):
        split = SPLIT_NAMES.get(path.name.casefold())
        if split is None:
            if _photos_in(path):
                class_folders.append(path)
        elif _photos_in(path):
            raise DataError(
                f"{path}: photographs directly in a folder that is named after a split; put them into folders of "
                "their classes there, or rename this folder if it is a class"
            )
        elif split in found:
            raise DataError(f"{path} and {found[split]}: both are the split {split}; keep one of them")
        elif _photos_by_class(path):
            found[split] = path
    if found and "train" not in found:
        first = next(iter(found.values()))
        raise DataError(f"{first}: a split without a folder train beside it; add {data / 'train'}, or move it away")
    if found and class_folders:
        raise DataError(
            f"{class_folders[0]}: photographs of a class beside {found['train']}; move this folder into it, or away"
        )
    return {split: found[split] for split in SPLITS if split in found}


def _photos_by_class(folder: Path) -> dict[str, list[Path]]:
    """Return the photographs of each class, in alphabetical order, without hidden files and those of systems.

    The names of the classes are in Unicode's composed form. macOS writes umlauts in another form, which looks alike.
    """
    classes: dict[str, list[Path]] = {}
    for path in folder.iterdir():
        photographs = _photos_in(path) if path.is_dir() and not is_never_photo(path.name) else []
        if photographs:
            try:
                path.name.encode()
            except UnicodeEncodeError:
                # Class names go into model files, tables and web pages. File names stay here, and may be any bytes.
                raise DataError(f"{path}: the name of this class is not UTF-8; rename the folder") from None
            if any(unicodedata.category(character) in LINE_BREAKERS for character in path.name):
                raise DataError(f"{str(path)!r}: the name of this class has control characters; rename the folder")
            classes.setdefault(unicodedata.normalize("NFC", path.name), []).extend(photographs)
    lower: dict[str, str] = {}
    for label in sorted(classes):
        if (other := lower.setdefault(label.casefold(), label)) != label:
            raise DataError(f"{folder}: the classes {other!r} and {label!r} differ only in case; join the two folders")
    return {label: sorted(classes[label]) for label in sorted(classes)}


def _photos_in(folder: Path) -> list[Path]:
    return [file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES and not is_never_photo(file.name)]
