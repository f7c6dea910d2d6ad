"""What the page about an archive finds: labels that were moved, and changed copies of photographs.

The rows are those that ``flower-infer`` writes, and the lists are made by the functions that ``python -m benchmarks
archive`` uses, with their limits.
"""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageEnhance
from tqdm import tqdm

from benchmarks.archive.answers import Answers, collect
from benchmarks.archive.duplicates import BITS
from benchmarks.archive.wrong_labels import NONE, find_wrong_labels
from benchmarks.core.intervals import wilson
from benchmarks.core.timing import quartiles
from finetune.data.dataset import SPLITS, read_split
from finetune.data.split import Split, join_splits, spread_evenly
from runtime.photos.open_photo import open_photo
from runtime.services.archive.answering import Answerer, AnswerSettings
from runtime.services.archive.row import Row
from runtime.services.archive.sources.photo import ArchivePhoto
from runtime.species.labels import comparable

MODEL = "tiny"
"""The model that answers the photographs."""
MOVED_SHARES = (0.02, 0.05, 0.1)
"""Shares of the labels that are moved to another class."""
SEEDS = 20
COPIED = 100
"""Photographs of the test split that are copied, at equal distances."""
QUALITY = 90
"""JPEG quality of copies that are not compressed more."""
LOW_QUALITY = 40
BRIGHTER = 1.2


@dataclass(frozen=True)
class Change:
    """How a copy of a photograph is made."""

    picture: Callable[[Image.Image], Image.Image]
    quality: int = QUALITY
    """Of the JPEG."""


def _half(image: Image.Image) -> Image.Image:
    return image.resize((max(1, image.width // 2), max(1, image.height // 2)), Image.Resampling.LANCZOS)


def _brighter(image: Image.Image) -> Image.Image:
    return ImageEnhance.Brightness(image).enhance(BRIGHTER)


def _cut(image: Image.Image, share: float) -> Image.Image:
    left, top = round(image.width * share), round(image.height * share)
    return image.crop((left, top, image.width - left, image.height - top))


CHANGES: Mapping[str, Change] = {
    "JPEG quality 40": Change(lambda image: image, LOW_QUALITY),
    "half size": Change(_half),
    "20 % brighter": Change(_brighter),
    "all three": Change(lambda image: _brighter(_half(image)), LOW_QUALITY),
    "2 % cut off each side": Change(lambda image: _cut(image, 0.02)),
    "5 % cut off each side": Change(lambda image: _cut(image, 0.05)),
}
"""What is done to the copies."""


def sheet_quality(data: Path) -> dict[str, Any]:
    """Answer all photographs of a data set and copies of some, and return what the page's lists find of them.

    Args:
        data: the data set, with photographs of the model's species.

    Returns:
        ``labels`` (`moved_labels`), ``copies`` (`found_copies`), ``pairs`` (`near_pairs`), ``photos`` of the data set,
        the ``model`` and the ``bits`` in which fingerprints may differ.
    """
    answerer = Answerer(AnswerSettings(model=MODEL, digest=""))
    splits = [read_split(data, name) for name in SPLITS]
    rows = {split.name: answer_files(answerer, split.paths, split.name) for split in splits}
    test, everything = splits[-1], join_splits(splits)
    test_answers = collect(rows[test.name])
    positions = spread_evenly(len(test), COPIED)
    copies = []
    with tempfile.TemporaryDirectory() as folder:
        for name, change in CHANGES.items():
            paths = save_copies([test.paths[position] for position in positions], change, Path(folder))
            copied = collect(answer_files(answerer, paths, name))
            copies.append({"name": name, **found_copies(test_answers.fingerprints[positions], copied.fingerprints)})
    return {
        "model": MODEL,
        "bits": BITS,
        "photos": len(everything),
        "seeds": SEEDS,
        "labels": [moved_labels(test_answers, test, share) for share in MOVED_SHARES],
        "copies": copies,
        "pairs": near_pairs(collect([row for split in splits for row in rows[split.name]]), everything.labels),
    }


def answer_files(answerer: Answerer, paths: Sequence[Path], title: str) -> list[Row]:
    """Return the rows of a table of answers for files, with a progress bar."""
    photos = [ArchivePhoto(str(path), size=path.stat().st_size) for path in paths]
    return [row for photo in tqdm(photos, desc=title, unit="photo", disable=None) for row in answerer.answer([photo])]


def save_copies(paths: Sequence[Path], change: Change, folder: Path) -> list[Path]:
    """Save a changed copy of each photograph in a folder, and return their paths. Earlier copies are replaced."""
    copies = []
    for number, path in enumerate(paths):
        copies.append(folder / f"{number}.jpg")
        change.picture(open_photo(path)).save(copies[-1], "JPEG", quality=change.quality)
    return copies


def moved_labels(answers: Answers, split: Split, share: float) -> dict[str, Any]:
    """Move some labels to other classes at random, and see how many are in the list of labels that are probably wrong.

    Precision is the share of the list that was moved, recall the share of the moved labels that are in the list. Both
    are 0 where there is nothing to count. Labels of species that no row names are not checked.

    Args:
        answers: of the photographs of ``split``, in their order.
        split: has the labels, which are taken to be right.
        share: of the labels that are moved, 0 to 1.

    Returns:
        The number of labels ``moved``; median and quartiles of ``precision`` and ``recall`` over `SEEDS` seeds; and for
        the ``first`` seed the counts ``hits`` and ``listed``, both shares, and their intervals.
    """
    places = {comparable(species.label): place for place, species in enumerate(answers.species)}
    place_of_class = np.array([places.get(comparable(name), NONE) for name in split.classes], dtype=np.int32)
    moved = round(share * len(split))
    counts = []
    for seed in range(SEEDS):
        random = np.random.default_rng(seed)
        labels = split.labels.copy()
        chosen = random.choice(len(split), moved, replace=False)
        labels[chosen] = (labels[chosen] + random.integers(1, len(split.classes), moved)) % len(split.classes)
        found = find_wrong_labels(place_of_class[labels], answers.listed, answers.shares, answers.class_count).rows
        counts.append((int(np.isin(found, chosen).sum()), len(found)))
    hits, listed = np.array(counts).T
    return {
        "moved": moved,
        "share": share,
        "precision": quartiles(hits / np.maximum(1, listed)),
        "recall": quartiles(hits / max(1, moved)),
        "first": {
            "hits": counts[0][0],
            "listed": counts[0][1],
            "precision": counts[0][0] / max(1, counts[0][1]),
            "precision_interval": wilson(*counts[0]),
            "recall": counts[0][0] / max(1, moved),
            "recall_interval": wilson(counts[0][0], moved),
        },
    }


def found_copies(originals: np.ndarray, copies: np.ndarray) -> dict[str, Any]:
    """Return how many copies have a fingerprint that differs from that of their original in at most `BITS` bits.

    Args:
        originals: uint64, shape (photos,): fingerprints.
        copies: uint64, shape (photos,).
    """
    bits = np.bitwise_count(originals ^ copies)
    found = int((bits <= BITS).sum())
    interval = wilson(found, len(bits))
    return {"photos": len(bits), "found": found, "interval": interval, "most_bits": int(bits.max(initial=0))}


def near_pairs(answers: Answers, labels: np.ndarray) -> dict[str, int]:
    """Count the pairs of photographs whose fingerprints differ in at most `BITS` bits and whose bytes are not the same.

    All pairs are compared.

    Args:
        answers: of photographs.
        labels: int, shape (photos,): the species of each.

    Returns:
        ``compared``, ``near`` and, of these, the pairs of ``different_species``.
    """
    kept = np.flatnonzero(answers.has_fingerprint)
    fingerprints, contents, labels = answers.fingerprints[kept], answers.contents[kept], labels[kept]
    near = different_species = 0
    for first in range(len(kept)):
        others = slice(first + 1, None)
        close = np.bitwise_count(fingerprints[others] ^ fingerprints[first]) <= BITS
        close &= contents[others] != contents[first]
        near += int(close.sum())
        different_species += int((close & (labels[others] != labels[first])).sum())
    return {"compared": len(kept) * (len(kept) - 1) // 2, "near": near, "different_species": different_species}
