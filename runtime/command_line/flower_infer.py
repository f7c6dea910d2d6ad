"""``flower-infer``: the command line of the runtime."""

import argparse
import contextlib
import itertools
import os
import sys
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, BinaryIO, cast

from runtime.command_line.arguments import add_threads_argument, positive_int
from runtime.command_line.completion import complete
from runtime.command_line.names_and_cuts import add_answer_arguments, add_field_arguments, answer_fields, read_names
from runtime.command_line.program import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK, EXIT_USAGE, print_traceback
from runtime.command_line.services.options import add_service_arguments, misplaced_option
from runtime.command_line.standard_streams import print_error, print_line
from runtime.distribution import __version__
from runtime.errors import FlowerError, says_too_little_memory
from runtime.inference.devices import DEVICE_NAMES
from runtime.services.systemd.unit import SERVICES

# numpy, Pillow and onnxruntime are imported where they are first needed, so that --help and wrong options are fast.
if TYPE_CHECKING:
    from runtime.answers.answer import Answer
    from runtime.answers.fields import AnswerFields
    from runtime.classifier import FlowerClassifier
    from runtime.photos.open_photo import Photo

EXAMPLES = """\
examples:
  flower-infer rose.jpg                     the five most likely species
  flower-infer --top 1 holiday/             every photo in a folder and the folders below it
  flower-infer --json *.jpg | jq .          one JSON object a line
  flower-infer --csv holiday/ > names.csv   a row for each species, with a progress line
  curl -s https://…/photo.jpg | flower-infer -
  flower-infer --only garden.txt rose.jpg   only the names in a file, one a line
  flower-infer --strict holiday/            fewer names, and fewer wrong ones
  flower-infer --model tiny rose.jpg        the smallest and fastest model inside
  flower-infer --model my-model.onnx rose.jpg
  flower-infer --watch incoming/            new photos as they arrive; answers go to incoming/flower-infer.jsonl
  flower-infer --camera 0 --language de     what a camera sees, in German
  flower-infer --camera 0 --mqtt mqtt://user@host/   and in Home Assistant
  flower-infer --serve                      photos by HTTP; curl -F photo=@rose.jpg http://127.0.0.1:8000/classify
  flower-infer --info                       show the metadata of the model

exit status: 0 all photos answered, 1 some could not be read, 2 wrong usage, model or device, 130 stopped by Ctrl-C,
143 stopped by kill or systemd (--serve: 0).
"""
MAX_COUNTED = 100_000
"""Most photos that are counted before the start, for the progress line."""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of ``flower-infer``."""
    parser = argparse.ArgumentParser(
        prog="flower-infer",
        description="Name the flower in a photo, with an INT8 ResNet-50 on this device.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "photos", nargs="*", metavar="PHOTO", help="a file, a folder, a pattern, or - for standard input"
    )
    output = parser.add_argument_group("output")
    output.add_argument("--top", type=positive_int, default=5, metavar="K", help="species to show (default: 5)")
    form = output.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print one JSON object a line")
    form.add_argument("--csv", action="store_true", help="print CSV, a row for each species of each photo")
    add_answer_arguments(parser)
    add_field_arguments(parser)
    output.add_argument(
        "--quiet", action="store_true", help="show no progress line and no messages about photos that cannot be read"
    )
    network = parser.add_argument_group("network")
    network.add_argument(
        "--device", choices=DEVICE_NAMES, default="auto", metavar="NAME",
        help=f"where to run: {', '.join(DEVICE_NAMES)} (default: auto, the best that starts)",
    )  # fmt: skip
    network.add_argument(
        "--model",
        metavar="FILE",
        help="a model file, or a model inside: full (default), slim, tiny (smaller and faster)",
    )
    add_threads_argument(network)
    add_service_arguments(parser)
    other = parser.add_argument_group("other commands")
    other.add_argument("--info", action="store_true", help="show the metadata of the model")
    other.add_argument(
        "--list-devices", action="store_true", help="show the devices that the installed onnxruntime supports"
    )
    other.add_argument("--systemd-unit", choices=SERVICES, help="print a unit for systemd that runs a service")
    other.add_argument("--version", action="version", version=f"flower-infer {__version__}")
    return parser


def main(arguments: Sequence[str] | None = None, *, on_ready: Callable[[], None] = lambda: None) -> int:
    """Run ``flower-infer`` and return its exit status.

    Args:
        arguments: by default those of the process.
        on_ready: is called when the libraries and the model are loaded.
    """
    complete(lambda _: build_parser())
    parser = build_parser()
    options = parser.parse_args(arguments)
    named = (options.photos, options.watch, options.camera, options.systemd_unit)
    if sum([*map(bool, named), options.serve, options.info, options.list_devices]) != 1:
        parser.error(
            "give either photos or one of --watch, --camera, --serve, --systemd-unit, --info and --list-devices "
            "(see --help)"
        )
    if (problem := misplaced_option(options)) is not None:
        parser.error(problem)
    if options.csv and not options.photos:
        parser.error("--csv is for photos; the other commands give JSON")
    try:
        work = _prepare(options)
        on_ready()
        return work()
    except ModuleNotFoundError as error:
        print_error(FlowerError(f"{error.name} is not installed; run: pip install numpy pillow onnxruntime"))
        return EXIT_USAGE
    except (ImportError, MemoryError, RuntimeError, SystemError) as error:
        if not says_too_little_memory(error):
            raise
        if sys.stderr is not None:  # nothing is imported here, because that needs memory
            print(
                "flower-infer: not enough memory; close other programs, or raise the limit", file=sys.stderr, flush=True
            )
        return EXIT_USAGE
    except FlowerError as error:  # of the model or the device; errors of photos are printed one by one
        print_error(error)
        return EXIT_USAGE
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader closed the pipe (``| head -1``). With stdout on the null device, the flush at exit raises nothing.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_OK
    except OSError as error:
        print_traceback(error)
        place = f"{error.filename}: " if error.filename else ""
        print_error(FlowerError(f"{place}the answers cannot be written ({error.strerror or error})"))
        if sys.stdout is not None:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED


def _prepare(options: argparse.Namespace) -> Callable[[], int]:
    """Return the work that the options ask for. Errors of the model and the device are raised here."""
    if options.list_devices:
        from runtime.command_line.descriptions import describe_devices

        return lambda: _show(describe_devices())
    if options.systemd_unit:
        from runtime.services.systemd.unit import hidden_place, unit_file

        if (folder := hidden_place()) is not None:
            print_error(FlowerError(f"a service cannot read {folder}, where this command is; install it below /opt"))
        return lambda: _show(unit_file(options.systemd_unit).rstrip())
    from runtime.classifier import FlowerClassifier

    if options.photos:
        # At the same time, onnxruntime opens the model. If this fails, the first photo loads the decoders.
        with contextlib.suppress(RuntimeError):
            threading.Thread(target=_load_decoders, daemon=True).start()
    classifier = FlowerClassifier(
        options.model,
        device=options.device,
        threads=options.threads,
        min_probability=options.min_probability,
        strict=options.strict,
        only=read_names(options.only) if options.only else None,
    )
    for device, reason in classifier.failed_devices.items():
        if not options.quiet:
            print_error(FlowerError(f"{device} could not be started ({reason}); running on {classifier.device}"))
    if options.info:
        from runtime.command_line.descriptions import describe_model

        return lambda: _show(describe_model(classifier, as_json=options.json))
    if options.watch or options.camera or options.serve:
        from runtime.command_line.services.commands import run_service

        return lambda: run_service(classifier, options)
    return lambda: _answer_photos(classifier, options)


def _load_decoders() -> None:
    with contextlib.suppress(Exception):
        from runtime.photos.formats import load_decoders

        load_decoders()


def _show(text: str) -> int:
    print(text, flush=True)
    return EXIT_OK


def _answer_photos(classifier: "FlowerClassifier", options: argparse.Namespace) -> int:
    from runtime.answers.fields import keywords
    from runtime.command_line.answer_formats import CSV_COLUMNS, csv_rows
    from runtime.command_line.progress import Progress
    from runtime.photos.finding.left_out import left_out_message
    from runtime.photos.finding.listing import list_photos

    names: deque[str] = deque()
    left_out: Counter[str] = Counter()

    def photos() -> "Iterator[Photo | FlowerError]":
        for name, photo in list_photos(options.photos, left_out):
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


def _write_sidecar(photo: str, words: Sequence[str]) -> FlowerError | None:
    """Put keywords into the sidecar of a photo, and return why that was not possible, if so."""
    from runtime.answers.xmp_sidecar import sidecar_problem  # its library of XML takes time to import

    return sidecar_problem(photo, words)


def _content(photo: "Photo | FlowerError") -> "Photo | FlowerError":
    """Return the bytes of a photo that is a stream."""
    from runtime.photos.reading import read_photo

    try:
        return photo if isinstance(photo, FlowerError) else read_photo(cast("BinaryIO", photo))[0]
    except FlowerError as error:
        return error


def _counter(options: argparse.Namespace) -> Callable[[], int | None]:
    """Return a function that counts the photos by walking all folders; it returns None if there are too many."""
    from runtime.photos.finding.listing import list_photos

    def count() -> int | None:
        number = sum(1 for _ in itertools.islice(list_photos(options.photos), MAX_COUNTED))
        return number if number < MAX_COUNTED else None

    return count


def _format(
    name: str,
    photo: "Photo | FlowerError",
    answer: "Answer",
    classifier: "FlowerClassifier",
    options: argparse.Namespace,
    fields: "AnswerFields",
) -> str:
    from runtime.command_line.answer_formats import as_csv, as_json, as_table

    if options.json:
        return as_json(fields.to_dict(name, answer, None if isinstance(photo, FlowerError) else photo))
    if options.csv:
        return as_csv(name, answer, fields)
    shown_name = partial(fields.shown_name, with_latin=options.latin)
    return as_table(name, answer, len(classifier.classes), classifier.cuts, shown_name)


if __name__ == "__main__":
    sys.exit(main())
