"""The rows of a table of answers as arrays: of each photo, a few numbers and its name are kept."""

import hashlib
import os
from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np

from runtime.answers.answer import Verdict
from runtime.services.archive.answer_index import photo_key
from runtime.services.archive.row import Row
from runtime.species.labels import comparable

VERDICTS: tuple[str, ...] = get_args(Verdict)
ERROR = len(VERDICTS)
"""What stands in the place of a verdict if there is an error instead."""
NONE = -1
"""The number of a class or of a month where there is none."""
MOST_LISTED = 10
"""Most predictions of a photo that are kept."""
MOST_KINDS, OTHER_KIND = 100, "other"
"""Kinds of errors that are counted separately, and the kind of those beyond them."""
COLUMNS: Mapping[str, str] = {
    "ends": "q", "keys": "Q", "verdicts": "B", "kinds": "B", "classes": "i", "probabilities": "f", "familiarity": "f",
    "months": "i", "sizes": "q", "contents": "Q", "has_content": "B", "fingerprints": "Q", "has_fingerprint": "B",
    "counts": "B",
}  # fmt: skip
"""Name of an array with an entry for each row → its type, as in the module ``array``."""


@dataclass(frozen=True)
class Species:
    """A class of the model."""

    label: str
    name: str
    """In the language of the table; the label if the table has no name."""
    latin: str | None = None


@dataclass(frozen=True)
class Names:
    """The names of photos."""

    content: bytes | bytearray
    """All names, one after another."""
    starts: np.ndarray
    """int64, shape (photos,): where each name begins in ``content``."""
    ends: np.ndarray
    """int64, shape (photos,)."""

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, row: int) -> str:
        return os.fsdecode(self.key(row))

    def key(self, row: int) -> bytes:
        """Return a name as the bytes that the file system has."""
        return bytes(self.content[self.starts[row] : self.ends[row]])


@dataclass(frozen=True)
class Answers:
    """A table of answers. The arrays have an entry for each photo."""

    names: Names
    keys: np.ndarray
    """uint64: `name_digest` of the names."""
    verdicts: np.ndarray
    """uint8: place in `VERDICTS`, or `ERROR`."""
    kinds: np.ndarray
    """uint8: place in ``error_messages``; meaningless without an error."""
    classes: np.ndarray
    """int32: place of the most probable class in ``species``, or `NONE`."""
    probabilities: np.ndarray
    """float32: of that class, 0 to 1."""
    familiarity: np.ndarray
    """float32; NaN where there is none."""
    months: np.ndarray
    """int32: when the photo was taken, 12 × year + month - 1, or `NONE`."""
    sizes: np.ndarray
    """int64: bytes; 0 if the photo was not found."""
    contents: np.ndarray
    """uint64: the first 64 bits of the SHA-256 of the photo's bytes. Those of two different ones among a million are
    equal with a probability of 3e-8."""
    has_content: np.ndarray
    """bool: whether the SHA-256 is known."""
    fingerprints: np.ndarray
    """uint64: see `runtime.services.archive.fingerprint`."""
    has_fingerprint: np.ndarray
    """bool."""
    listed: np.ndarray
    """int32, shape (photos, most): places of the most probable classes in ``species``, or `NONE`."""
    shares: np.ndarray
    """float32, shape (photos, most): the probabilities of these classes; 0 where there is none."""
    species: tuple[Species, ...]
    """The classes that any photo's list of most probable ones has."""
    class_count: int
    """Classes of the model, as far as the table shows them."""
    error_messages: Mapping[str, str]
    """Kind of error → the first message of this kind."""

    def __len__(self) -> int:
        return len(self.keys)


def collect(rows: Iterable[Row]) -> Answers:
    """Keep what the page needs of each row. Of several rows of a photo, the last one counts.

    Args:
        rows: of a table of answers.
    """
    collector = _Collector()
    for row in rows:
        collector.add(row)
    return collector.answers()


def name_digest(name: bytes) -> int:
    """Return 64 bits by which names are compared. Two of a million have the same with a probability of 3e-8."""
    return int.from_bytes(hashlib.blake2b(name, digest_size=8).digest(), "big")


class _Collector:
    def __init__(self) -> None:
        self._names = bytearray()
        self._columns: dict[str, array[Any]] = {name: array(code) for name, code in COLUMNS.items()}
        # The predictions of all photos, one after another.
        self._listed, self._shares = array("i"), array("f")
        self._places: dict[str, int] = {}
        self._species: list[Species] = []
        self._largest_index = -1
        self._kinds: dict[str, int] = {}
        self._messages: list[str] = []

    def add(self, row: Row) -> None:
        name = photo_key(row)
        self._names += name
        answered = row.verdict in VERDICTS
        predictions = (row.predictions or ())[:MOST_LISTED]
        values: dict[str, Any] = {
            "ends": len(self._names),
            "keys": name_digest(name),
            "verdicts": VERDICTS.index(row.verdict) if row.verdict in VERDICTS else ERROR,
            "kinds": 0 if answered else self._kind(row),
            "classes": NONE if row.label is None or not answered else self._class(row.label, row),
            "probabilities": row.probability or 0.0,
            "familiarity": float("nan") if row.familiarity is None else row.familiarity,
            "months": _month(row.taken),
            "sizes": row.size or 0,
            "contents": int((row.sha256 or "0")[:16], 16),
            "has_content": row.sha256 is not None,
            "fingerprints": int(row.fingerprint or "0", 16),
            "has_fingerprint": row.fingerprint is not None,
            "counts": len(predictions),
        }
        for column, value in values.items():
            self._columns[column].append(value)
        for each in predictions:
            self._listed.append(self._class(each["label"]))
            self._shares.append(each["probability"])
            self._largest_index = max(self._largest_index, each["index"])

    def _kind(self, row: Row) -> int:
        kind = row.error_kind or OTHER_KIND
        if kind not in self._kinds:
            if len(self._kinds) >= MOST_KINDS:
                kind = OTHER_KIND
            if kind not in self._kinds:
                self._kinds[kind] = len(self._kinds)
                self._messages.append(f"{row.photo}: {row.error or ''}")
        return self._kinds[kind]

    def _class(self, label: str, row: Row | None = None) -> int:
        """Return the place of a class. ``row`` is one whose most probable class it is, and which has its names."""
        place = self._places.setdefault(comparable(label), len(self._places))
        if place == len(self._species):
            self._species.append(Species(label, label))
        if row is not None and self._species[place] == Species(label, label):
            self._species[place] = Species(label, row.name or label, row.latin)
        return place

    def answers(self) -> Answers:
        columns = {name: np.frombuffer(values, values.typecode) for name, values in self._columns.items()}
        ends, counts = columns.pop("ends"), columns.pop("counts").astype(np.int64)
        listed, shares = self._predictions(counts)
        starts = np.concatenate([[0], ends[:-1]]).astype(np.int64)[: len(ends)]
        kept = _last_of_each(columns["keys"])
        columns = {name: values[kept] for name, values in columns.items()}
        for name in ("has_content", "has_fingerprint"):
            columns[name] = columns[name].astype(bool)
        return Answers(
            names=Names(self._names, starts[kept], ends[kept]),
            listed=listed[kept],
            shares=shares[kept],
            species=tuple(self._species),
            class_count=max(len(self._species), self._largest_index + 1),
            error_messages=dict(zip(self._kinds, self._messages, strict=True)),
            **columns,
        )

    def _predictions(self, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the predictions with as many columns as the photo with most predictions has."""
        places = np.arange(counts.max(initial=0)) < counts[:, np.newaxis]
        listed = np.full(places.shape, NONE, dtype=np.int32)
        shares = np.zeros(places.shape, dtype=np.float32)
        listed[places] = np.frombuffer(self._listed, self._listed.typecode)
        shares[places] = np.frombuffer(self._shares, self._shares.typecode)
        return listed, shares


def _last_of_each(keys: np.ndarray) -> "np.ndarray | slice":
    """Return the positions of the last row of each photo, in the order of the table; all if no photo comes twice."""
    _, from_end = np.unique(keys[::-1], return_index=True)
    return slice(None) if len(from_end) == len(keys) else np.sort(len(keys) - 1 - from_end)


def _month(taken: str | None) -> int:
    try:
        year, month = int((taken or "")[:4]), int((taken or "")[5:7])
    except ValueError:
        return NONE
    return 12 * year + month - 1 if year > 0 and 1 <= month <= 12 else NONE
