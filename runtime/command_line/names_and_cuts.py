"""Options of ``flower-infer`` that say which answers are names, which names can occur, and how they are written."""

import argparse
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from runtime.errors import FlowerError

if TYPE_CHECKING:
    from runtime.answers.fields import AnswerFields

MAX_BYTES = 1024**2
"""Largest file of names that is read."""


def add_answer_arguments(parser: argparse.ArgumentParser) -> None:
    """Add ``--min-probability``, ``--strict`` and ``--only``."""
    answers = parser.add_argument_group("answers")
    answers.add_argument(
        "--min-probability",
        type=_probability,
        metavar="P",
        help="smallest probability of a name, 0 to 1 (default: the model's; also in the place of the strict one)",
    )
    answers.add_argument(
        "--strict", action="store_true", help="the model's strict cuts: fewer names, and fewer wrong ones"
    )
    answers.add_argument(
        "--only",
        metavar="FILE",
        help="a text file with the names that can occur here, one a line (--info --json lists all); other flowers get "
        "one of these names, or none if they are too different",
    )


def add_field_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that say what an answer contains: names in a language, time and place, and sidecars."""
    fields = parser.add_argument_group("names, time and place")
    fields.add_argument(
        "--language", metavar="CODE", help="of the names: de, en, es, fr, it, ja, nl, pt, zh, or one of --names"
    )
    fields.add_argument("--latin", action="store_true", help="show the Latin names as well; JSON always has them")
    fields.add_argument(
        "--names", metavar="FILE", help="names of your own classes: CSV with the columns label, latin, and languages"
    )
    fields.add_argument("--taken", action="store_true", help="in JSON: when the photo was taken, as its EXIF says")
    fields.add_argument("--gps", action="store_true", help="in JSON: where the photo was taken")
    fields.add_argument(
        "--write-xmp", action="store_true", help="write names as keywords to PHOTO.xmp, for digiKam, darktable, Immich"
    )


def answer_fields(options: argparse.Namespace, classes: Collection[str]) -> "AnswerFields":
    """Return what the options say about the content of an answer.

    Args:
        options: of the command line.
        classes: of the model, which a file of names may name.

    Raises:
        FlowerError: the file of names cannot be used, or has no names in this language.
    """
    # Imported here, because photos are opened to find their time and place, and --help needs none of that.
    from runtime.answers.fields import AnswerFields
    from runtime.species.names import SpeciesNames, read_species_names, shipped_names

    given = read_species_names(Path(options.names), classes) if options.names else None

    def names() -> SpeciesNames:
        return shipped_names() if given is None else given

    language = names().find_language(options.language) if options.language else None
    return AnswerFields(names, language, taken=options.taken, place=options.gps)


def read_names(path: str) -> list[str]:
    """Read a file with one name a line. Empty lines and lines that begin with ``#`` are left out.

    Raises:
        FlowerError: the file cannot be read, is no text, is too large, or has no names.
    """
    try:
        with Path(path).open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise FlowerError(f"{path}: larger than {MAX_BYTES // 1024**2} MB; not a list of names")
        lines = [line.strip() for line in content.decode("utf-8-sig").splitlines()]
    except OSError as error:
        raise FlowerError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise FlowerError(f"{path}: not a text file in UTF-8; save it as UTF-8, one name a line") from None
    names = [line for line in lines if line and not line.startswith("#")]
    if not names:
        raise FlowerError(f"{path}: no names in this file; write one name a line")
    return names


def _probability(text: str) -> float:
    """Convert an argument to a number from 0 to 1 (an argparse type)."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f"must be 0 to 1, not {text!r}")
    return number
