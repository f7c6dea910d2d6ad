"""``flower-infer``: the command line of the runtime."""

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from runtime.answer import Prediction
from runtime.classifier import FlowerClassifier
from runtime.commandline import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK, EXIT_USAGE, positive_int
from runtime.errors import FlowerError, PhotoError
from runtime.photo import SUFFIXES, Photo
from runtime.session import DEVICES
from runtime.version import __version__

EXAMPLES = """\
examples:
  flower-infer rose.jpg                     the five most likely species
  flower-infer --top 1 holiday/             every photo in a folder and the folders below it
  flower-infer --json *.jpg | jq .          one JSON object a line
  curl -s https://…/photo.jpg | flower-infer -
  flower-infer --model my-model.onnx rose.jpg

exit status: 0 all photos answered, 1 some could not be read, 2 wrong usage, model or device.
"""


def build_parser() -> argparse.ArgumentParser:
    """The options of ``flower-infer``."""
    parser = argparse.ArgumentParser(
        prog="flower-infer",
        description="Name the flower in a photo, with an INT8 ResNet-50 on this device.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("photos", nargs="+", metavar="PHOTO", help="a file, a folder, or - for standard input")
    parser.add_argument("--top", type=positive_int, default=5, metavar="K", help="species to show (default: 5)")
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")
    parser.add_argument("--device", choices=DEVICES, default="auto", help="where to run (default: auto)")
    parser.add_argument("--model", metavar="FILE", help="a model from python -m export (default: the one inside)")
    parser.add_argument("--threads", type=positive_int, metavar="N", help="CPU threads (default: all cores allowed)")
    parser.add_argument("--version", action="version", version=f"flower-infer {__version__}")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``flower-infer`` and return its exit status."""
    options = build_parser().parse_args(arguments)
    try:
        try:
            classifier = FlowerClassifier(options.model, device=options.device, threads=options.threads)
        except FlowerError as error:
            _complain(error)
            return EXIT_USAGE
        return _answer(classifier, options)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader has gone (``| head -1``). Point stdout at nothing, so that the flush at exit stays silent.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_OK
    except OSError as error:
        _complain(FlowerError(f"the answers cannot be written ({error.strerror or error})"))
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED


def _answer(classifier: FlowerClassifier, options: argparse.Namespace) -> int:
    status = EXIT_OK
    for name, photo in _photos(options.photos):
        try:
            if isinstance(photo, FlowerError):
                raise photo
            predictions = classifier.predict(photo, top=options.top)
        except FlowerError as error:
            _complain(error)
            status = EXIT_FAILED
            continue
        # Flushed one by one: whoever reads the pipe gets each answer as it comes.
        print(_as_json(name, predictions) if options.json else _as_table(name, predictions), flush=True)
    return status


def _photos(arguments: Sequence[str]) -> Iterator[tuple[str, Photo | FlowerError]]:
    """The photos that the arguments name; a folder stands for all photos in it and below it."""
    for argument in arguments:
        if argument == "-":
            yield "-", sys.stdin.buffer if sys.stdin else PhotoError("standard input is closed")
        elif os.path.isdir(argument):  # noqa: PTH112 (Path.is_dir raises where the way there is barred)
            found = False
            for path, photo in _photos_below(argument):
                found = True
                yield path, photo
            if not found:
                yield (
                    argument,
                    PhotoError(f"{argument}: no photos in this folder ({', '.join(sorted(SUFFIXES))})"),
                )
        else:
            yield argument, argument


def _photos_below(folder: str) -> Iterator[tuple[str, Photo | FlowerError]]:
    barred: list[OSError] = []
    # Links to folders are not followed: they may lead in circles.
    for parent, folders, files in os.walk(folder, onerror=barred.append):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for file in sorted(files):
            if Path(file).suffix.lower() in SUFFIXES and not file.startswith("."):
                yield str(Path(parent, file)), str(Path(parent, file))
    for error in barred:
        yield str(error.filename), PhotoError(f"{error.filename}: cannot be read ({error.strerror})")


def _as_json(name: str, predictions: Sequence[Prediction]) -> str:
    return json.dumps(
        {
            "photo": name,
            "predictions": [
                {"label": p.label, "index": p.index, "probability": round(p.probability, 6)} for p in predictions
            ],
        }
    )


def _as_table(name: str, predictions: Sequence[Prediction]) -> str:
    width = max((len(prediction.label) for prediction in predictions), default=0)
    lines = [_printable(name)]
    for prediction in predictions:
        bar = _bar(prediction.probability)
        lines.append(f"  {prediction.label:<{width}}  {prediction.probability:6.1%}  {bar}".rstrip())
    return "\n".join(lines)


def _bar(share: float, width: int = 24) -> str:
    """A bar of block characters in eighths, or of ``#`` where the output cannot show them."""
    eighths = round(share * width * 8)
    bar = "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8]
    try:
        bar.encode(_encoding())
    except UnicodeEncodeError:
        return "#" * round(share * width)
    return bar.rstrip()


def _complain(error: FlowerError) -> None:
    print(f"flower-infer: {_printable(str(error))}", file=sys.stderr, flush=True)


def _encoding() -> str:
    # There is no stdout at all if the caller closed it.
    return getattr(sys.stdout, "encoding", None) or "utf-8"


def _printable(text: str) -> str:
    """``text`` on one line, without control characters, in what the terminal's encoding can show."""
    clean = "".join(letter if letter.isprintable() else "�" for letter in text)
    encoding = _encoding()
    return clean.encode(encoding, "replace").decode(encoding)


if __name__ == "__main__":
    sys.exit(main())
