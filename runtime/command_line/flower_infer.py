"""``flower-infer``: the command line of the runtime."""

import argparse
import contextlib
import os
import sys
import threading
from collections.abc import Callable, Sequence

from runtime.command_line.archive.options import add_archive_arguments, misplaced_archive_option
from runtime.command_line.arguments import add_threads_argument, positive_int
from runtime.command_line.completion import complete
from runtime.command_line.names_and_cuts import add_answer_arguments, add_field_arguments, read_names
from runtime.command_line.program import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK, EXIT_USAGE, print_traceback
from runtime.command_line.services.options import add_service_arguments, misplaced_option
from runtime.command_line.standard_streams import print_error
from runtime.distribution import __version__
from runtime.errors import FlowerError, says_too_little_memory
from runtime.inference.devices import DEVICE_NAMES
from runtime.services.systemd.unit import SERVICES

# numpy, Pillow and onnxruntime are imported where they are first needed, so that --help and wrong options are fast.
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
  flower-infer archive/ --output answers.parquet      a table of many photos; go on after a crash with --resume
  flower-infer --watch incoming/            new photos as they arrive; answers go to incoming/flower-infer.jsonl
  flower-infer --camera 0 --language de     what a camera sees, in German
  flower-infer --camera 0 --mqtt mqtt://user@host/   and in Home Assistant
  flower-infer --serve                      photos by HTTP; curl -F photo=@rose.jpg http://127.0.0.1:8000/classify
  flower-infer --info                       show the metadata of the model

exit status: 0 all photos answered, 1 some could not be read, 2 wrong usage, model or device, 130 stopped by Ctrl-C,
143 stopped by kill or systemd (--serve: 0).
"""


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
    add_archive_arguments(parser)
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
    named = (options.photos or options.list, options.watch, options.camera, options.systemd_unit)
    if sum([*map(bool, named), options.serve, options.info, options.list_devices]) != 1:
        parser.error(
            "give either photos or one of --watch, --camera, --serve, --systemd-unit, --info and --list-devices "
            "(see --help)"
        )
    if (problem := misplaced_archive_option(options) or misplaced_option(options)) is not None:
        parser.error(problem)
    if options.csv and not (options.photos or options.list):
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

    if options.photos or options.list:
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
    if options.output:
        from runtime.command_line.archive.command import answer_to_table

        return lambda: answer_to_table(classifier, options)
    from runtime.command_line.photos.command import answer_photos

    return lambda: answer_photos(classifier, options)


def _load_decoders() -> None:
    with contextlib.suppress(Exception):
        from runtime.photos.formats import load_decoders

        load_decoders()


def _show(text: str) -> int:
    print(text, flush=True)
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(main())
