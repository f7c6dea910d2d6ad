"""Answering the photos that the command line names."""

import argparse
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import BinaryIO, cast

from runtime.answers.answer import Answer
from runtime.answers.fields import AnswerFields, keywords
from runtime.classifier import FlowerClassifier
from runtime.command_line.names_and_cuts import answer_fields
from runtime.command_line.photos.answer_formats import CSV_COLUMNS, as_csv, as_json, as_table, csv_rows
from runtime.command_line.program import EXIT_FAILED, EXIT_OK
from runtime.command_line.progress import Progress, counted
from runtime.command_line.standard_streams import print_error, print_line
from runtime.errors import FlowerError
from runtime.photos.finding.excluded import Excluded
from runtime.photos.finding.left_out import left_out_message
from runtime.photos.finding.listing import list_photos
from runtime.photos.finding.name_list import can_be_read_again, names_in
from runtime.photos.open_photo import Photo
from runtime.photos.reading import read_photo

MAX_COUNTED = 100_000
"""Most photos that are counted before the start, for the progress line."""


def answer_photos(classifier: FlowerClassifier, options: argparse.Namespace) -> int:
    """Print the answer of each photo as it comes, and return the exit status."""
    names: deque[str] = deque()
    left_out: Counter[str] = Counter()

    def photos() -> Iterator[Photo | FlowerError]:
        for name, photo in _named(options, left_out):
            names.append(name)
            # Standard input can be read only once, and its time and place are looked for after the answer.
            yield _content(photo) if name == "-" and (options.taken or options.gps) else photo

    status = EXIT_OK
    fields = answer_fields(options, classifier.classes)
    progress = Progress(_counter(options), shown=not options.quiet)
    if options.csv:
        print_line(csv_rows([CSV_COLUMNS]))
    for photo, answer in classifier.predict_many(photos(), top=options.top):
        name = names.popleft()
        progress.clear()
        problem = answer if isinstance(answer, FlowerError) else None
        if not isinstance(answer, FlowerError):
            # Each answer is flushed, so that a reader of the pipe gets it at once.
            print_line(_format(name, photo, answer, classifier, options, fields))
            if options.write_xmp and name != "-":
                problem = _write_sidecar(name, keywords(fields.to_dict(name, answer)))
        if problem is not None:
            status = EXIT_FAILED
            if not options.quiet:
                print_error(problem)
        progress.advance()
    progress.clear()
    if left_out and not options.quiet:
        print_error(FlowerError(left_out_message(left_out)))
    return status


def _named(
    options: argparse.Namespace, left_out: Counter[str] | None = None
) -> Iterator[tuple[str, Photo | FlowerError]]:
    """Yield the names of the photos that the options name, with the photo or the error, as `list_photos` does."""
    excluded = Excluded(options.exclude or ())
    yield from list_photos(options.photos, left_out, excluded=excluded)
    if options.list:
        yield from ((name, name) for name in names_in(options.list) if not excluded.matches(name))


def _write_sidecar(photo: str, words: Sequence[str]) -> FlowerError | None:
    """Put keywords into the sidecar of a photo, and return why that was not possible, if so."""
    from runtime.answers.xmp_sidecar import sidecar_problem  # its library of XML takes time to import

    return sidecar_problem(photo, words)


def _content(photo: Photo | FlowerError) -> Photo | FlowerError:
    """Return the bytes of a photo that is a stream."""
    try:
        return photo if isinstance(photo, FlowerError) else read_photo(cast("BinaryIO", photo))[0]
    except FlowerError as error:
        return error


def _counter(options: argparse.Namespace) -> Callable[[], int | None]:
    """Return a function that counts the photos by walking all folders; it returns None if there are too many."""

    def count() -> int | None:
        if not can_be_read_again(options.list):
            return None
        return counted(_named(options), MAX_COUNTED)

    return count


def _format(
    name: str,
    photo: Photo | FlowerError,
    answer: Answer,
    classifier: FlowerClassifier,
    options: argparse.Namespace,
    fields: AnswerFields,
) -> str:
    if options.json:
        return as_json(fields.to_dict(name, answer, None if isinstance(photo, FlowerError) else photo))
    if options.csv:
        return as_csv(name, answer, fields)
    shown_name = partial(fields.shown_name, with_latin=options.latin)
    return as_table(name, answer, len(classifier.classes), classifier.cuts, shown_name)
