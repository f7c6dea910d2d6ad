"""The lists beside the page, as CSV: photos with the same bytes, photos that look nearly the same, wrong labels."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from benchmarks.archive.answers import ERROR, NONE, VERDICTS, Answers
from benchmarks.archive.duplicates import Groups
from benchmarks.archive.wrong_labels import WrongLabels
from runtime.answers.answer import photo_name
from runtime.files.atomic import atomic_file

WRONG_LABELS = "probably-wrong-labels.csv"
NEAR_DUPLICATES = "near-duplicates.csv"
SAME_BYTES = "same-bytes.csv"


def write_groups(path: Path, answers: Answers, groups: Groups) -> None:
    """Write groups of photos. ``bits``: in how many a fingerprint differs from that of the group's first photo.

    ``label`` is the most probable class: photos of one group with different ones may be different photos.
    """
    _write(path, ("group", "photo", "photo_bytes", "size", "bits", "label"), _lines_of_groups(answers, groups))


def _lines_of_groups(answers: Answers, groups: Groups) -> Iterator[Sequence[object]]:
    for number, rows in enumerate(groups, 1):
        for row, bits in zip(rows.tolist(), differing_bits(answers, rows).tolist(), strict=True):
            place = answers.classes[row]
            label = "" if place == NONE else answers.species[place].label
            yield number, *_photo(answers, row), int(answers.sizes[row]), bits, label


def differing_bits(answers: Answers, rows: np.ndarray) -> np.ndarray:
    """Return in how many bits the fingerprint of each photo differs from that of the first one."""
    bits: np.ndarray = np.bitwise_count(answers.fingerprints[rows] ^ answers.fingerprints[rows[0]])
    return bits


def write_wrong_labels(path: Path, answers: Answers, given: np.ndarray, wrong: WrongLabels) -> None:
    """Write the photos whose labels are probably wrong, worst first.

    Args:
        path: of the list.
        answers: of all photos.
        given: the label of each photo, a place in `Answers.species`.
        wrong: what confident learning says.
    """
    columns = ("photo", "photo_bytes", "label", "suggested", "suggested_name", "probability_of_label",
               "probability_of_suggested", "margin", "verdict")  # fmt: skip
    _write(path, columns, _lines_of_wrong_labels(answers, given, wrong))


def _lines_of_wrong_labels(answers: Answers, given: np.ndarray, wrong: WrongLabels) -> Iterator[Sequence[object]]:
    for position, row in enumerate(wrong.rows.tolist()):
        suggested, verdict = answers.species[wrong.suggested[position]], answers.verdicts[row]
        yield (
            *_photo(answers, row),
            answers.species[given[row]].label,
            suggested.label,
            suggested.name,
            f"{wrong.of_label[position]:.6f}",
            f"{wrong.of_suggested[position]:.6f}",
            f"{wrong.margins[position]:.6f}",
            "" if verdict == ERROR else VERDICTS[verdict],
        )


def _photo(answers: Answers, row: int) -> tuple[str, str]:
    names = photo_name(answers.names[row])
    return names["photo"], names.get("photo_bytes", "")


def _write(path: Path, columns: Sequence[str], lines: Iterable[Sequence[object]]) -> None:
    with atomic_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(lines)
