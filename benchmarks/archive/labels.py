"""The labels that photos have: the names of their folders, or a CSV file with the columns photo and label."""

import csv
import os
from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import numpy as np

from benchmarks.archive.answers import Answers, name_digest
from benchmarks.archive.wrong_labels import NONE
from runtime.errors import FlowerError
from runtime.species.labels import comparable

FOLDERS = "folders"
"""What ``--labels`` is for the names of folders."""
MOST_UNKNOWN = 1000
"""Labels that are no class and are counted separately."""
MAX_LABEL = 200
"""Longest label that is a name, characters."""
MAX_LINE = 100_000
"""Longest line of a file of labels, characters."""


@dataclass(frozen=True)
class Labels:
    """The labels of photos."""

    given: np.ndarray
    """int32, shape (photos,): place of the label in `Answers.species`, or `NONE`."""
    unknown: Counter[str]
    """Labels that are no class → photos."""
    missing: int = 0
    """Lines of the file whose photos are not in the table."""


def read_labels(answers: Answers, source: str) -> Labels:
    """Return the labels of photos. They are compared with the labels of classes, without upper and lower case.

    Args:
        answers: whose classes and names of photos count.
        source: `FOLDERS`, or the path of a CSV file.

    Raises:
        FlowerError: the file cannot be read, or is no file of labels; or no label is a class.
    """
    labels = folder_labels(answers) if source == FOLDERS else file_labels(answers, Path(source))
    if not (labels.given != NONE).any() and len(answers):
        shown = ", ".join(repr(label) for label, _ in labels.unknown.most_common(3))
        reason = f"no label is a class of the model: {shown}" if shown else "no photo of it is in the table"
        raise FlowerError(f"--labels {source}: {reason}; name labels as the column label of the table does")
    return labels


def folder_labels(answers: Answers) -> Labels:
    """Return the name of each photo's parent folder as its label."""
    places, unknown = _places(answers), Counter[str]()
    given = np.full(len(answers), NONE, dtype=np.int32)
    for row in range(len(answers)):
        given[row] = _place(places, os.path.basename(os.path.dirname(answers.names[row])), unknown)  # noqa: PTH119, PTH120
    return Labels(given, unknown)


def file_labels(answers: Answers, path: Path) -> Labels:
    """Return the labels in a CSV file. Of several labels of a photo, the last one counts.

    Raises:
        FlowerError: the file cannot be read, or is no file of labels.
    """
    places, unknown = _places(answers), Counter[str]()
    keys, values = array("Q"), array("i")
    for photo, label in _lines(path):
        keys.append(name_digest(os.fsencode(photo)))
        values.append(_place(places, label, unknown))
    order = np.argsort(answers.keys)
    wanted = np.frombuffer(keys, np.uint64)
    at = np.searchsorted(answers.keys, wanted, sorter=order)
    rows = order[np.minimum(at, len(order) - 1)] if len(order) else np.empty(0, np.int64)
    found = answers.keys[rows] == wanted if len(order) else np.zeros(0, dtype=bool)
    given = np.full(len(answers), NONE, dtype=np.int32)
    given[rows[found]] = np.frombuffer(values, np.int32)[: len(found)][found]
    return Labels(given, unknown, missing=len(wanted) - int(found.sum()))


def _places(answers: Answers) -> dict[str, int]:
    return {comparable(species.label): place for place, species in enumerate(answers.species)}


def _place(places: dict[str, int], label: str, unknown: Counter[str]) -> int:
    place = places.get(comparable(label), NONE)
    if place == NONE:
        label = label[:MAX_LABEL]
        unknown[label if label in unknown or len(unknown) < MOST_UNKNOWN else "others"] += 1
    return place


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    """Yield photo and label of each line."""
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            header = file.readline(MAX_LINE)
            separator = ";" if header.count(";") > header.count(",") else ","
            columns = [cell.strip().lower() for cell in next(csv.reader(StringIO(header), delimiter=separator), [])]
            if "photo" not in columns or "label" not in columns:
                raise FlowerError(f"{path}: the first line must name the columns photo and label")
            photo, label = columns.index("photo"), columns.index("label")
            lines = csv.reader(file, delimiter=separator, strict=True)
            for cells in lines:
                if not cells:
                    continue
                if len(cells) <= max(photo, label):
                    raise FlowerError(f"{path}: line {lines.line_num + 1}: too few cells; write a photo and its label")
                yield cells[photo], cells[label].strip()
    except OSError as error:
        raise FlowerError(f"{path}: cannot be read ({error.strerror})") from None
    except csv.Error as error:
        raise FlowerError(f"{path}: no valid CSV ({error}); save it again") from None
