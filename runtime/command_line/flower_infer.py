"""``flower-infer``: the command line of the runtime."""

import argparse
import contextlib
import itertools
import os
import sys
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from runtime.command_line.arguments import add_threads_argument, positive_int
from runtime.command_line.completion import complete
from runtime.command_line.names_and_cuts import add_answer_arguments, read_names
from runtime.command_line.program import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK, EXIT_USAGE, print_traceback
from runtime.command_line.standard_streams import printable
from runtime.distribution import __version__
from runtime.errors import FlowerError, says_too_little_memory
from runtime.inference.devices import DEVICE_NAMES

# numpy, Pillow and onnxruntime are imported where they are first needed, so that --help and wrong options are fast.
if TYPE_CHECKING:
    from runtime.answer import Answer
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
  flower-infer --model slim rose.jpg        the smaller and faster model inside
  flower-infer --model my-model.onnx rose.jpg
  flower-infer --watch incoming/            new photos as they arrive; answers go to incoming/flower-infer.jsonl
  flower-infer --info                       show the metadata of the model

exit status: 0 all photos answered, 1 some could not be read, 2 wrong usage, model or device, 130 stopped by Ctrl-C.
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
    output.add_argument(
        "--quiet", action="store_true", help="show no progress line and no messages about photos that cannot be read"
    )
    network = parser.add_argument_group("network")
    network.add_argument(
        "--device", choices=DEVICE_NAMES, default="auto", metavar="NAME",
        help=f"where to run: {', '.join(DEVICE_NAMES)} (default: auto, the best that starts)",
    )  # fmt: skip
    network.add_argument(
        "--model", metavar="FILE", help="a model file, or a model inside: full (default), or slim, smaller and faster"
    )
    add_threads_argument(network)
    other = parser.add_argument_group("other commands")
    other.add_argument("--watch", metavar="FOLDER", help="answer photos as they arrive in a folder, until Ctrl-C")
    other.add_argument(
        "--output", metavar="FILE", help="with --watch: the file to which answers are appended as JSON lines"
    )
    other.add_argument("--info", action="store_true", help="show the metadata of the model")
    other.add_argument(
        "--list-devices", action="store_true", help="show the devices that the installed onnxruntime supports"
    )
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
    commands = [bool(options.photos), bool(options.watch), options.info, options.list_devices]
    if sum(commands) != 1:
        parser.error("give either photos or one of --watch, --info and --list-devices (see --help)")
    if options.output and not options.watch:
        parser.error("--output is for --watch; without it, redirect standard output: > FILE")
    if options.csv and not options.photos:
        parser.error("--csv is for photos; --watch and --info give JSON")
    try:
        work = _prepare(options)
        on_ready()
        return work()
    except ModuleNotFoundError as error:
        _print_error(FlowerError(f"{error.name} is not installed; run: pip install numpy pillow onnxruntime"))
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
        _print_error(error)
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
        _print_error(FlowerError(f"{place}the answers cannot be written ({error.strerror or error})"))
        if sys.stdout is not None:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED


def _prepare(options: argparse.Namespace) -> Callable[[], int]:
    """Return the work that the options ask for. Errors of the model and the device are raised here."""
    if options.list_devices:
        from runtime.command_line.descriptions import describe_devices

        return lambda: _show(describe_devices())
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
            _print_error(FlowerError(f"{device} could not be started ({reason}); running on {classifier.device}"))
    if options.info:
        from runtime.command_line.descriptions import describe_model

        return lambda: _show(describe_model(classifier, as_json=options.json))
    if options.watch:
        return lambda: _watch(classifier, options)
    return lambda: _answer_photos(classifier, options)


def _load_decoders() -> None:
    with contextlib.suppress(Exception):
        from runtime.photos.formats import load_decoders

        load_decoders()


def _show(text: str) -> int:
    print(text, flush=True)
    return EXIT_OK


def _answer_photos(classifier: "FlowerClassifier", options: argparse.Namespace) -> int:
    from runtime.command_line.answer_formats import CSV_COLUMNS, csv_rows
    from runtime.command_line.progress import Progress
    from runtime.photos.left_out import left_out_message
    from runtime.photos.listing import list_photos

    names: deque[str] = deque()
    left_out: Counter[str] = Counter()

    def photos() -> "Iterator[Photo | FlowerError]":
        for name, photo in list_photos(options.photos, left_out):
            names.append(name)
            yield photo

    status = EXIT_OK
    progress = Progress(_counter(options), shown=not options.quiet)
    if options.csv:
        _print(csv_rows([CSV_COLUMNS]))
    for _, answer in classifier.predict_many(photos(), top=options.top):
        name = names.popleft()
        progress.clear()
        if isinstance(answer, FlowerError):
            status = EXIT_FAILED
            if not options.quiet:
                _print_error(answer)
        else:
            # Each answer is flushed, so that a reader of the pipe gets it at once.
            _print(_format(name, answer, classifier, options))
        progress.advance()
    progress.clear()
    if left_out and not options.quiet:
        _print_error(FlowerError(left_out_message(left_out)))
    return status


def _counter(options: argparse.Namespace) -> Callable[[], int | None]:
    """Return a function that counts the photos by walking all folders; it returns None if there are too many."""
    from runtime.photos.listing import list_photos

    def count() -> int | None:
        number = sum(1 for _ in itertools.islice(list_photos(options.photos), MAX_COUNTED))
        return number if number < MAX_COUNTED else None

    return count


def _format(name: str, answer: "Answer", classifier: "FlowerClassifier", options: argparse.Namespace) -> str:
    from runtime.command_line.answer_formats import as_csv, as_json, as_table

    if options.json:
        return as_json(name, answer)
    return as_csv(name, answer) if options.csv else as_table(name, answer, len(classifier.classes), classifier.cuts)


def _watch(classifier: "FlowerClassifier", options: argparse.Namespace) -> int:
    from pathlib import Path

    from runtime.photos.formats import load_all_decoders
    from runtime.services.watching.answer_log import DEFAULT_LOG_NAME, open_answer_log
    from runtime.services.watching.watch import watch

    folder = Path(options.watch)
    if not folder.is_dir():
        raise FlowerError(f"{folder}: {'not a folder' if folder.exists() else 'no such folder to watch'}")

    def say(line: str) -> None:
        _print_error(FlowerError(line))

    load_all_decoders()
    with open_answer_log(Path(options.output) if options.output else folder / DEFAULT_LOG_NAME, say) as log:
        if not options.quiet and sys.stderr is not None and sys.stderr.isatty():
            _print_error(FlowerError(f"watching {folder}; answers go to {log.path}; Ctrl-C ends it"))
        for line in watch(classifier, folder, log, options.top, say=(lambda _: None) if options.quiet else say):
            if not options.quiet:
                _print(line)
    return EXIT_OK


def _print(text: str) -> None:
    if sys.stdout is None:  # the caller closed standard output
        return
    encoding = sys.stdout.encoding or "utf-8"
    # A file name may contain bytes that are not valid text, and the output's encoding may lack characters.
    print(text.encode(encoding, "backslashreplace").decode(encoding), flush=True)


def _print_error(error: FlowerError) -> None:
    if sys.stderr is None:  # the caller closed standard error
        return
    print_traceback(error)
    print(f"flower-infer: {printable(str(error))}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
