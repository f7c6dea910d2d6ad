"""One run over an archive: from its photos to the finished table."""

import hashlib
import json
import os
import sqlite3
import tempfile
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path

from runtime.classifier import FlowerClassifier
from runtime.errors import FlowerError
from runtime.files.digest import file_digest
from runtime.files.lock import lock_file
from runtime.inference.optimised_form import CACHE_VARIABLE, cache_folder
from runtime.services.archive.answer_index import AnswerIndex
from runtime.services.archive.answering import AnswerSettings
from runtime.services.archive.assembly import PART_ROWS, Assembly
from runtime.services.archive.engines.engine import Engine
from runtime.services.archive.sources.photo import ArchivePhoto
from runtime.services.archive.summary import Summary
from runtime.services.archive.tables.table import AnswerTable

SAVE_SECONDS = 60
"""How often the parts that are begun are written. What was answered since is lost when the process is killed."""


def answer_archive(
    photos: Iterable[ArchivePhoto],
    table: AnswerTable,
    settings: AnswerSettings,
    make_engine: Callable[[AnswerSettings], Engine],
    *,
    places: Collection[str] = (),
    first_photo: Callable[[str], Iterable[ArchivePhoto]] = lambda _: (),
    on_count: Callable[[int], None] = lambda _: None,
    say: Callable[[str], None] = lambda _: None,
) -> Summary:
    """Answer the photos of an archive that have no row in its table yet, and finish the table.

    When the process is killed, what was written stays: the parts that are complete, and each minute the others. The
    next run begins with them.

    Args:
        photos: in the order of the table. Of several with the same name, the first counts.
        table: may have the rows of earlier runs.
        settings: for the processes that answer.
        make_engine: from settings to the engine that answers.
        places: the folders, stores and files that the user named. If one of them is gone or empty and the table has
            rows of it, the table is not changed: they would be lost while a disk is away.
        first_photo: from such a place to its photos, of which the first one is looked at.
        on_count: is called with the number of photos that were counted, while the run goes on.
        say: shows a line to the user.

    Raises:
        FlowerError: a place of a table that has rows is gone, the table is damaged, another run writes it, or the
            engine cannot start.
        OSError: the table cannot be written.
    """
    summary = Summary(on_count=on_count)
    with _open_index(table.path) as index:
        if _add_earlier_rows(table, index, settings.digest):
            say(f"{table.path}: other rows are of another model or other options; their photos are answered again")
        has_rows = not index.is_empty()
        _check_places([next(iter(first_photo(place)), None) for place in places], index)
        assembly = Assembly(_each_once(_checked(photos, index), index), table, index, settings.digest, summary)
        engine = make_engine(replace(settings, index=str(index.path)))
        saved_s = time.monotonic()
        try:
            for task, rows in engine.answer(assembly.tasks()):
                assembly.add(task, rows)
                if time.monotonic() - saved_s >= SAVE_SECONDS:
                    assembly.save_begun()
                    saved_s = time.monotonic()
        except (KeyboardInterrupt, SystemExit):
            assembly.save_begun()
            raise
        if not assembly.count:
            kept = "the table keeps its rows" if has_rows else "no table was made"
            raise FlowerError(f"{table.path}: no photos were found; {kept}")
        if has_rows:
            summary.removed = index.count_not_listed()
        table.finish(assembly.count)
    return summary


def settings_digest(classifier: FlowerClassifier, model: Path, settings: AnswerSettings) -> str:
    """Return 16 hexadecimal digits that change with whatever changes answers: the model file and the options.

    Args:
        classifier: made from the settings.
        model: the path of the model file.
        settings: their own digest does not matter.
    """
    options = {
        name: value
        for name, value in asdict(settings).items()
        if name not in ("digest", "device", "threads", "index", "model", "names", "only")
    }
    values = {
        **options,
        "model": file_digest(model),
        "cuts": asdict(classifier.cuts),
        "only": None if settings.only is None else sorted(settings.only),
        "names": None if settings.names is None else file_digest(Path(settings.names)),
    }
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


@contextmanager
def _open_index(table: str) -> Iterator[AnswerIndex]:
    """Open an empty index that no other run uses for the same table, and delete it at the end.

    It is in the user's cache folder: the table may be on a network disk or in a store.
    """
    name = hashlib.sha256(os.fsencode(os.path.realpath(table))).hexdigest()[:16]
    with tempfile.TemporaryDirectory(prefix="flower-infer-") as temporary:
        folder = _writable_cache() or Path(temporary)
        lock = os.open(folder / f"archive-{name}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            with suppress(OSError):  # some network disks have no locks
                if not lock_file(lock):
                    raise FlowerError(f"{table}: another flower-infer is writing this table; wait for it or stop it")
            index = AnswerIndex(folder / f"archive-{name}.sqlite")
            try:
                yield index
            except sqlite3.Error as error:
                raise FlowerError(
                    f"{index.path}: the index of the table cannot be used ({error}); free space there, or name another "
                    f"folder on a disk of this machine with {CACHE_VARIABLE}"
                ) from None
            finally:
                index.close()
        finally:
            os.close(lock)


def _writable_cache() -> Path | None:
    folder = cache_folder()
    try:
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            if os.access(folder, os.W_OK | os.X_OK):
                return folder
    except OSError:
        pass
    return None


def _add_earlier_rows(table: AnswerTable, index: AnswerIndex, digest: str) -> bool:
    """Add the rows of a table to its index, and return whether some are of other settings."""
    rows, other = table.rows(), False
    while some := list(islice(rows, PART_ROWS)):
        index.add(row for row in some if row.settings == digest)
        others = [row for row in some if row.settings != digest]
        index.add(others, as_answers=False)
        other = other or bool(others)
    return other


def _checked(photos: Iterable[ArchivePhoto], index: AnswerIndex) -> Iterator[ArchivePhoto]:
    for photo in photos:
        _refuse_to_lose_rows(photo, index)
        yield photo


def _check_places(firsts: Sequence[ArchivePhoto | None], index: AnswerIndex) -> None:
    """Raise `FlowerError` if a place is away, or no place has photos, before a part of the table is written.

    Args:
        firsts: the first photo of each place.
        index: has the rows of the table.
    """
    for first in firsts:
        if first is not None:
            _refuse_to_lose_rows(first, index)
    errors = [first.error for first in firsts if first is not None and first.error is not None]
    if errors and len(errors) == len(firsts):
        raise FlowerError(f"{errors[0]}; no table was made") if index.is_empty() else _away(errors[0])


def _refuse_to_lose_rows(photo: ArchivePhoto, index: AnswerIndex) -> None:
    """Raise `FlowerError` if a folder, tar file or store cannot be listed and the table has rows of its photos."""
    if photo.error is not None and index.has_rows_below(photo.name):
        raise _away(photo.error)


def _away(error: FlowerError) -> FlowerError:
    return FlowerError(f"{error}; the table keeps its rows. Is the disk there?")


def _each_once(photos: Iterable[ArchivePhoto], index: AnswerIndex) -> Iterator[ArchivePhoto]:
    left = iter(photos)
    while some := list(islice(left, PART_ROWS)):
        first = index.listed_first([photo.name for photo in some])
        yield from (photo for photo, is_first in zip(some, first, strict=True) if is_first)
