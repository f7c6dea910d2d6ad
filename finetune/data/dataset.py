"""The data set at a path: Oxford 102 Flowers, or anybody's photographs in class-named folders."""

from pathlib import Path

from finetune.data.class_folders import is_class_folders, read_folders
from finetune.data.oxford import find_folder, read_oxford
from finetune.data.split import Split

SPLITS = ("train", "val", "test")
OXFORD = "Oxford 102 Flowers"
"""What records call it."""


def is_dataset(data: Path) -> bool:
    """Whether there is a data set at ``data``."""
    return find_folder(data) is not None or (data.is_dir() and is_class_folders(data))


def read_split(data: Path, name: str) -> Split:
    """Read one split (``train``, ``val`` or ``test``) of the data set at ``data``.

    Raises:
        DataError: no data set there, damaged or contradictory files, or images missing.
    """
    if find_folder(data) is None and data.is_dir() and is_class_folders(data):
        return read_folders(data, name)
    return read_oxford(data, name)


def describe_dataset(data: Path) -> str:
    """The data set's name, for records: ``Oxford 102 Flowers``, or the name of a folder."""
    return OXFORD if find_folder(data) is not None else data.resolve().name
