"""Starting a run over an archive."""

import argparse
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from runtime.classifier import FlowerClassifier
from runtime.command_line.names_and_cuts import read_names
from runtime.command_line.program import EXIT_FAILED, EXIT_OK
from runtime.command_line.progress import Progress, counted
from runtime.command_line.standard_streams import print_message, silence_decoders
from runtime.command_line.termination import terminable
from runtime.errors import FlowerError
from runtime.inference.shipped_models import DEFAULT_MODEL, model_path
from runtime.photos.finding.excluded import Excluded
from runtime.photos.finding.left_out import left_out_message
from runtime.photos.finding.name_list import can_be_read_again
from runtime.services.archive.answering import AnswerSettings
from runtime.services.archive.engines.engine import Engine
from runtime.services.archive.engines.local_engine import LocalEngine
from runtime.services.archive.engines.process_count import process_count
from runtime.services.archive.run import answer_archive, settings_digest
from runtime.services.archive.sources.listing import list_archive
from runtime.services.archive.sources.store_photos import is_store_address
from runtime.services.archive.tables.formats import open_table

MAX_COUNTED = 10_000_000
"""Most photos that are counted for the progress line."""


def answer_to_table(classifier: FlowerClassifier, options: argparse.Namespace) -> int:
    """Answer photos into a table, and return the exit status.

    Args:
        classifier: of the options, which shows that the model and the device can be used.
        options: of the command line.

    Raises:
        FlowerError: the table cannot be used, or nobody can answer.
    """
    top = min(options.top, len(classifier.classes))
    table = open_table(options.output, top)
    if table.is_begun() and not options.resume:
        raise FlowerError(f"{options.output}: exists; go on with it by --resume, or name another file")
    # Once: the free memory, on which it depends, changes.
    processes = _processes(options, classifier.device)
    settings = _settings(classifier, options, top, max(1, options.threads // processes))
    excluded = Excluded(options.exclude or ())
    left_out: Counter[str] = Counter()

    def count() -> int | None:
        return counted(list_archive(options.photos, list_file=options.list, excluded=excluded), MAX_COUNTED)

    # A store asks money for each listing.
    is_counted = can_be_read_again(options.list) and not any(map(is_store_address, options.photos))
    progress = Progress(count if is_counted else lambda: None, shown=not options.quiet, in_background=True)
    say: Callable[[str], None] = (lambda _: None) if options.quiet else print_message
    try:
        with terminable():
            summary = answer_archive(
                list_archive(options.photos, list_file=options.list, excluded=excluded, left_out=left_out),
                table,
                settings,
                partial(_engine, options, processes),
                places=options.photos,
                first_photo=lambda place: list_archive([place], excluded=excluded),
                on_count=progress.advance,
                say=say,
            )
    except OSError as error:
        place = error.filename or table.path
        raise FlowerError(
            f"{place}: cannot be written ({error.strerror or error}); mend this, and go on with --resume"
        ) from error
    except KeyboardInterrupt:
        progress.clear()
        kept = "what is answered is kept; go on with --resume" if table.is_begun() else "nothing was written yet"
        say(f"{table.path}: stopped; {kept}")
        raise
    progress.clear()
    for line in [*([left_out_message(left_out)] if left_out else []), *summary.lines()]:
        say(line)
    return EXIT_FAILED if summary.errors else EXIT_OK


def _settings(classifier: FlowerClassifier, options: argparse.Namespace, top: int, threads: int) -> AnswerSettings:
    model = DEFAULT_MODEL if options.model is None else model_path(options.model)
    settings = AnswerSettings(
        model=str(model),
        digest="",
        device=classifier.device,
        threads=threads,
        top=top,
        min_probability=options.min_probability,
        strict=options.strict,
        only=tuple(read_names(options.only)) if options.only else None,
        names=options.names,
        language=options.language,
        place=options.gps,
    )
    return replace(settings, digest=settings_digest(classifier, Path(model), settings))


def _processes(options: argparse.Namespace, device: str) -> int:
    """Return the number of processes: those that share the CPU, or one for another device."""
    given: int | None = options.processes
    return given or (process_count(options.threads) if device == "cpu" else 1)


def _engine(options: argparse.Namespace, processes: int, settings: AnswerSettings) -> Engine:
    if options.engine == "ray":
        from runtime.services.archive.engines.ray_engine import RayEngine

        return RayEngine(settings, address=options.address, processes=options.processes)
    return LocalEngine(settings, processes, silence_decoders)
