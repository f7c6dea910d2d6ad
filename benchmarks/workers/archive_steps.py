"""Times the steps from a photo of an archive to its row, and what the main process does for each row.

Usage: python -m benchmarks.workers.archive_steps MODEL FOLDER LINKS

FOLDER has photos, each of which is answered once. LINKS is a folder with many names of photos, whose rows are made up.
Prints, as JSON, milliseconds for each photo (a list for each step) and for each row of the main process.
"""

import hashlib
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from runtime.classifier import FlowerClassifier
from runtime.services.archive.answering import Answerer, AnswerSettings, row_without_answer
from runtime.services.archive.engines.engine import Engine, Task
from runtime.services.archive.row import Row
from runtime.services.archive.run import answer_archive
from runtime.services.archive.sources.listing import list_archive
from runtime.services.archive.sources.reading import read_archive_photo
from runtime.services.archive.tables.formats import open_table

WARMUP = 5


class ReadyRows:
    """An engine that has a row ready: what remains is the work of the main process.

    Args:
        row: for every photo.
    """

    def __init__(self, row: Row) -> None:
        self._row = row

    def answer(self, tasks: Iterable[Task]) -> Iterator[tuple[Task, list[Row]]]:
        """Yield each task with rows that differ in the photo's name and bytes."""
        for task in tasks:
            names = [row_without_answer(photo, "") for photo in task.photos]
            yield task, [replace(self._row.of_other_photo(name), sha256=_digest(name)) for name in names]


def _digest(row: Row) -> str:
    return hashlib.sha256(row.photo.encode()).hexdigest()


def measure_steps(model: str, folder: str) -> tuple[dict[str, list[float]], Row]:
    """Return the milliseconds of each step for each photo, and a row."""
    photos = list(list_archive([folder]))
    classifier = FlowerClassifier(model, device="cpu", threads=1)
    answerer = Answerer(AnswerSettings(model=model, digest="", threads=1))
    steps: dict[str, list[float]] = {"read": [], "decode": [], "network": [], "all": []}

    def timed(step: str, run: Callable[[], object]) -> None:
        started = time.perf_counter()
        run()
        steps[step].append(1000 * (time.perf_counter() - started))

    for photo in photos[:WARMUP]:
        classifier.predict(photo.name)
    rows = []
    for photo in photos:
        timed("read", lambda photo=photo: hashlib.sha256(read_archive_photo(photo)).digest())  # type: ignore[misc]
        content = read_archive_photo(photo)
        timed("decode", lambda content=content: classifier.info.preprocessing(content))  # type: ignore[misc]
        pixels = classifier.info.preprocessing(content)
        timed("network", lambda pixels=pixels: classifier.outputs_of_input(pixels))  # type: ignore[misc]
        timed("all", lambda photo=photo: rows.extend(answerer.answer([photo])))  # type: ignore[misc]
    return steps, rows[0]


def measure_main_process(links: str, row: Row) -> float:
    """Return the milliseconds that the main process takes for each photo."""
    with tempfile.TemporaryDirectory() as folder:
        table = open_table(str(Path(folder) / "answers.parquet"), 5)
        settings = AnswerSettings(model="", digest="")

        def engine(_: AnswerSettings) -> Engine:
            return ReadyRows(row)

        started = time.perf_counter()
        summary = answer_archive(list_archive([links]), table, settings, engine)
        return 1000 * (time.perf_counter() - started) / summary.photos


if __name__ == "__main__":
    steps, row = measure_steps(*sys.argv[1:3])
    print(json.dumps({"steps": steps, "main_ms": measure_main_process(sys.argv[3], row)}))
