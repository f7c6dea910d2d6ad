"""One run over an archive: from its photos to the finished table."""

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path

from runtime.classifier import FlowerClassifier
from runtime.errors import FlowerError
from runtime.files.digest import file_digest
from runtime.files.lock import lock_file
from runtime.inference.optimised_form import cache_folder
from runtime.services.archive.answer_index import AnswerIndex
from runtime.services.archive.answering import AnswerSettings
from runtime.services.archive.assembly import PART_ROWS, Assembly
from runtime.services.archive.engines.engine import Engine
from runtime.services.archive.sources.photo import ArchivePhoto
from runtime.services.archive.summary import Summary
from runtime.services.archive.tables.table import AnswerTable


def answer_archive(
    photos: Iterable[ArchivePhoto],
    table: AnswerTable,
    settings: AnswerSettings,
    make_engine: Callable[[AnswerSettings], Engine],
    *,
    places: Collection[str] = (),
    on_count: Callable[[int], None] = lambda _: None,
    say: Callable[[str], None] = lambda _: None,
) -> Summary:
    """Answer the photos of an archive that have no row in its table yet, and finish the table.

    When the process is killed, the parts that are complete stay. The next run begins with them.

    Args:
        photos: in the order of the table. Of several with the same name, the first counts.
        table: may have the rows of earlier runs.
        settings: for the processes that answer.
        make_engine: from settings to the engine that answers.
        places: the folders, stores and files that the user named. If one of them is gone or empty, the table is not
            changed: its rows would be lost while a disk is away.
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
        there = _unless_gone(photos, places) if index.row_count() else photos
        assembly = Assembly(_each_once(there, index), table, index, settings.digest, summary)
        engine = make_engine(replace(settings, index=str(index.path)))
        for task, rows in engine.answer(assembly.tasks()):
            assembly.add(task, rows)
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
    name = hashlib.sha256(os.fsencode(os.path.abspath(table))).hexdigest()[:16]  # noqa: PTH100 (it may be an address)
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
    """Add the rows of a table to its index, except those of other settings, and return whether there are such."""
    rows, other = table.rows(), False
    while some := list(islice(rows, PART_ROWS)):
        same = [row for row in some if row.settings == digest]
        index.add(same)
        other = other or len(same) < len(some)
    return other


def _unless_gone(photos: Iterable[ArchivePhoto], places: Collection[str]) -> Iterator[ArchivePhoto]:
    for photo in photos:
        if photo.error is not None and photo.name in places:
            raise FlowerError(f"{photo.error}; the table keeps its rows. Is the disk there?")
        yield photo


def _each_once(photos: Iterable[ArchivePhoto], index: AnswerIndex) -> Iterator[ArchivePhoto]:
    left = iter(photos)
    while some := list(islice(left, PART_ROWS)):
        first = index.listed_first([photo.name for photo in some])
        yield from (photo for photo, is_first in zip(some, first, strict=True) if is_first)
