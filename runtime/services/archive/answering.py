"""`Answerer`: from photos of an archive to rows of its table, in one process."""

import hashlib
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from runtime.answers.answer import photo_name
from runtime.answers.fields import AnswerFields
from runtime.classifier import FlowerClassifier
from runtime.errors import FlowerError, KilledError, MissingPhotoError, PhotoError, UnexpectedError
from runtime.photos.prefetch import PrefetchDecoder
from runtime.services.archive.answer_index import SameBytes
from runtime.services.archive.fingerprint import fingerprint
from runtime.services.archive.row import PREDICTION_FIELDS, Row
from runtime.services.archive.sources.photo import ArchivePhoto
from runtime.services.archive.sources.reading import read_archive_photo
from runtime.species.names import SpeciesNames, read_species_names, shipped_names

READ_AHEAD = 4
"""Photos that threads read while another one is answered, so that a slow disk or store does not stop the network."""
RECENT_ROWS = 4096
"""Rows that a process remembers by the bytes of their photos: those since the last look into the index, and all where
there is no index that all processes see."""
MAX_ERROR = 1000
"""Most characters of an error in a row."""


@dataclass(frozen=True)
class AnswerSettings:
    """What a process needs to answer photos. It is sent to other processes and machines."""

    model: str
    """The path of a model file, or the name of a model inside the package."""
    digest: str
    """The column ``settings`` of the rows."""
    device: str = "cpu"
    threads: int = 1
    top: int = 5
    min_probability: float | None = None
    strict: bool = False
    only: tuple[str, ...] | None = None
    names: str | None = None
    """Path of a file with names of the species; None for those inside the package."""
    language: str | None = None
    place: bool = False
    """Whether to say where a photo was taken."""
    index: str | None = None
    """Path of the `AnswerIndex`, where this process can open it."""


class Answerer:
    """Answers photos one after the other. The row of a photo depends on its bytes and the settings alone.

    Photos go through the network one by one: in a batch, the last digits of a probability depend on the others.

    Raises:
        FlowerError: the model, the device or the file of names cannot be used.
    """

    def __init__(self, settings: AnswerSettings) -> None:
        self._settings = settings
        self._classifier = FlowerClassifier(
            settings.model,
            device=settings.device,
            threads=settings.threads,
            min_probability=settings.min_probability,
            strict=settings.strict,
            only=settings.only,
        )
        self._given_names = (
            None if settings.names is None else read_species_names(Path(settings.names), self._classifier.classes)
        )
        self._fields = AnswerFields(self._names, settings.language, taken=True, place=settings.place)
        self._same_bytes = None if settings.index is None else SameBytes(settings.index)
        self._recent: dict[str, Row] = {}

    def answer(self, photos: Sequence[ArchivePhoto]) -> list[Row]:
        """Return a row for each photo, in their order. What goes wrong with a photo is in its row."""
        rows: list[Row] = []
        if not photos:
            return rows
        threads = min(READ_AHEAD, len(photos))
        with closing(PrefetchDecoder(photos, _read, threads=threads, depth=READ_AHEAD)) as reader:
            while read := reader.next_batch(1):
                ((photo, content),) = read
                rows.append(self._row(photo, content))
        return rows

    def _names(self) -> SpeciesNames:
        return shipped_names() if self._given_names is None else self._given_names

    def _row(self, photo: ArchivePhoto, content: "tuple[bytes, str] | FlowerError") -> Row:
        row = row_without_answer(photo, self._settings.digest)
        if isinstance(content, PhotoError):
            row = with_error(row, content, photo.name)
            # It was there when it was listed: its disk may be away.
            was_listed = isinstance(content, MissingPhotoError) and photo.error is None
            return replace(row, passing=True) if was_listed else row
        if isinstance(content, FlowerError):  # a package or a setting is missing, which is no fault of the photo
            raise content
        photo_bytes, sha256 = content
        if (known := self._known(sha256)) is not None:
            return known.of_other_photo(row)
        row = replace(row, sha256=sha256)
        try:
            row = replace(row, **self._answer(photo_bytes))
        except FlowerError as error:
            row = with_error(row, error, photo.name)
        except Exception as error:  # one photo must not end a run of many hours
            row = with_error(row, UnexpectedError(f"{type(error).__name__}: {error}"), photo.name)
        if not row.passing:
            if len(self._recent) >= RECENT_ROWS:
                del self._recent[next(iter(self._recent))]
            self._recent[sha256] = row
        return row

    def _known(self, sha256: str) -> Row | None:
        if (recent := self._recent.get(sha256)) is not None:
            return recent
        row = None if self._same_bytes is None else self._same_bytes.row(sha256)
        return row if row is not None and row.settings == self._settings.digest else None

    def _answer(self, photo: bytes) -> dict[str, Any]:
        """Return the columns of a row that the answer fills."""
        pixels = self._classifier.info.preprocessing(photo)
        answer = self._classifier.answer(self._classifier.outputs_of_input(pixels), self._settings.top)
        values = self._fields.to_dict("", answer, photo)
        best = values["predictions"][0]
        return {
            "verdict": values["verdict"],
            "label": best["label"],
            "probability": best["probability"],
            "familiarity": values["familiarity"],
            "name": best.get("name"),
            "latin": best["latin"],
            "taken": values["taken"],
            "latitude": values.get("latitude"),
            "longitude": values.get("longitude"),
            "predictions": tuple({key: each[key] for key in PREDICTION_FIELDS} for each in values["predictions"]),
            "fingerprint": fingerprint(pixels),
        }


def row_without_answer(photo: ArchivePhoto, digest: str) -> Row:
    """Return the row of a photo with its name, its size and its time.

    Args:
        photo: one of an archive.
        digest: of the settings.
    """
    found = photo.error is None
    names = photo_name(photo.name)
    modified_ns = max(-(2**63), min(photo.modified_ns, 2**63 - 1))  # tables have 64 bits: the years 1677 to 2262
    return Row(
        names["photo"],
        names.get("photo_bytes"),
        size=photo.size if found else None,
        modified_ns=modified_ns if found else None,
        settings=digest,
    )


def with_error(row: Row, error: FlowerError, name: str) -> Row:
    """Return a row with the reason why it has no answer.

    Args:
        row: of the photo.
        error: the reason.
        name: of the photo, which is left out of the message: photos with the same bytes have equal messages.
    """
    message = str(error)
    for prefix in (" ".join(name.split()), " ".join(str(Path(name)).split()), "the photo"):
        message = message.removeprefix(f"{prefix}: ")
    # A message may quote a name that is no valid text, and a library may say much.
    shown = message.encode(errors="replace").decode()[:MAX_ERROR]
    return replace(row, error=shown, error_kind=error.kind, passing=error.passing)


def killed_row(photo: ArchivePhoto, digest: str) -> Row:
    """Return the row of a photo whose process was ended by the system.

    Args:
        photo: one of an archive.
        digest: of the settings.
    """
    error = KilledError(f"{photo.name}: the process that read it was ended by the system")
    return with_error(row_without_answer(photo, digest), error, photo.name)


def _read(photo: ArchivePhoto) -> tuple[bytes, str]:
    """Return the bytes of a photo and their SHA-256."""
    if photo.error is not None:
        raise photo.error
    content = read_archive_photo(photo)
    return content, hashlib.sha256(content).hexdigest()
