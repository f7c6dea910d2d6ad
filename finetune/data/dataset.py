"""Reading the data set at a path, which is Oxford 102 Flowers or photographs in class-named folders."""

import os
from pathlib import Path

from finetune.data.class_folders import is_class_folders, read_class_folders
from finetune.data.oxford import find_oxford_folder, read_oxford
from finetune.data.split import SPLITS, DataError, Split
from finetune.data.what_is_there import no_data_set_message

__all__ = ["OXFORD", "SPLITS", "describe_dataset", "is_dataset", "read_split"]

OXFORD = "Oxford 102 Flowers"
"""The name of this data set in checkpoints and reports."""


def is_dataset(data: Path) -> bool:
    """Return whether there is a data set at ``data``."""
    return find_oxford_folder(data) is not None or (data.is_dir() and is_class_folders(data))


def read_split(data: Path, name: str) -> Split:
    """Read one split (``train``, ``val`` or ``test``) of the data set at ``data``.

    Raises:
        DataError: no data set there, damaged or contradictory files, or images missing.
    """
    if find_oxford_folder(data) is not None:
        return read_oxford(data, name)
    if data.is_dir() and is_class_folders(data):
        return read_class_folders(data, name)
    raise DataError(no_data_set_message(data))


def describe_dataset(data: Path) -> str:
    """Return the data set's name for records: ``Oxford 102 Flowers``, or the name of the folder."""
    if find_oxford_folder(data) is not None:
        return OXFORD
    # Bytes that are not UTF-8 are replaced, because records are UTF-8.
    return os.fsencode(data.resolve().name).decode(errors="replace")
