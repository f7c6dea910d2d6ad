"""The names of classes in several languages, from a CSV file.

The first line of the file says what the columns are. ``label`` is the name of the class in the model file, ``latin`` is
the scientific name; every other column is a language with its code (BCP 47: ``de``, ``pt-BR``). The order is free, and
every column but ``label`` may be missing. An empty cell means that there is no established name. The separator is a
comma or, as Excel writes it in many countries, a semicolon. The names of the model inside are in `SHIPPED_NAMES`.
"""

import csv
import os
import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from io import StringIO
from pathlib import Path
from types import MappingProxyType

from runtime.errors import FlowerError
from runtime.inference.shipped_models import FOLDER
from runtime.species.labels import comparable

SHIPPED_NAMES = FOLDER / "names.csv"
"""The names of Oxford's 102 classes."""
MAX_BYTES = 4 * 1024**2
"""Largest file that is read."""
MAX_COLUMNS = 100
MAX_NAME = 200
"""Longest name, characters."""
LABEL, LATIN = "label", "latin"
LANGUAGE_CODE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*")
"""The form of BCP 47: a language of two or three letters, and subtags for script, region and so on."""
GROUP = re.compile(" (species|cultivars)$")
"""What stands behind the scientific name of a class that is a group: wild species of a genus, or garden forms."""
JOINERS = "\u200c\u200d"
"""Zero-width joiners have the category of control characters, but some scripts cannot be written without them."""


@dataclass(frozen=True)
class SpeciesNames:
    """The names of classes. Labels are compared without upper and lower case.

    Args:
        languages: the codes of the languages, in the order of the file.
        names: label as `comparable` gives it → column → name. Empty cells are left out.
    """

    languages: tuple[str, ...]
    names: Mapping[str, Mapping[str, str]]

    def find_language(self, wanted: str) -> str:
        """Return the code of the language that serves ``wanted``: itself, or without its last subtags (de-AT → de).

        Raises:
            FlowerError: there is none.
        """
        codes = {code.lower(): code for code in self.languages}
        subtags = wanted.lower().split("-")
        for length in range(len(subtags), 0, -1):
            if found := codes.get("-".join(subtags[:length])):
                return found
        there = ", ".join(self.languages) or "none"
        raise FlowerError(f"there are no names in the language {wanted!r}; these languages are there: {there}")

    def latin(self, label: str) -> str | None:
        """Return the scientific name of a class, of a group with a word behind it (`GROUP`); None if there is none."""
        return self._row(label).get(LATIN)

    def name(self, label: str, language: str) -> str:
        """Return the name of a class in a language. Without one, it is the scientific name, and else the label.

        The English word behind the name of a group (`GROUP`) is left out.

        Raises:
            FlowerError: there are no names in this language.
        """
        row = self._row(label)
        return row.get(self.find_language(language)) or GROUP.sub("", row.get(LATIN, "")) or label

    def _row(self, label: str) -> Mapping[str, str]:
        return self.names.get(comparable(label), {})


@cache
def shipped_names() -> SpeciesNames:
    """Return the names of the model inside."""
    return read_species_names(SHIPPED_NAMES)


def read_species_names(path: str | os.PathLike[str], labels: Collection[str] | None = None) -> SpeciesNames:
    """Read a file of names. It may come from anywhere.

    Args:
        path: the file, in UTF-8, with or without a byte order mark.
        labels: the classes of the model; a label that is none of them is an error. None accepts every label. Classes
            without a row, or with one that has no names, are no error.

    Raises:
        FlowerError: the file cannot be read or is too large, or a line is wrong; the message says which.
    """
    text = _read_text(path)
    header = next(StringIO(text, newline=""), "")
    separator = ";" if header.count(";") > header.count(",") else ","
    lines = csv.reader(StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        return _parse(lines, labels)
    except csv.Error as error:
        raise FlowerError(f"{path}: line {lines.line_num}: no valid CSV ({error}); save it again") from None
    except _WrongLineError as error:
        raise FlowerError(f"{path}: line {max(1, lines.line_num)}: {error}") from None


class _WrongLineError(Exception):
    """What is wrong with the line that was read last, and what to do."""


def _read_text(path: str | os.PathLike[str]) -> str:
    try:
        with Path(path).open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise FlowerError(f"{path}: larger than {MAX_BYTES // 1024**2} MB; not a file of names")
        return content.decode("utf-8-sig")
    except OSError as error:
        raise FlowerError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise FlowerError(f"{path}: not in UTF-8; in a spreadsheet, save it as CSV UTF-8") from None


def _parse(lines: Iterator[list[str]], labels: Collection[str] | None) -> SpeciesNames:
    columns = _read_header(next(lines, []))
    known = None if labels is None else {comparable(label) for label in labels}
    names: dict[str, Mapping[str, str]] = {}
    for cells in lines:
        values = [_clean(cell) for cell in cells]
        if not any(values):
            continue  # Spreadsheets write lines of separators.
        if any(values[len(columns) :]) or any(
            value and not column for value, column in zip(values, columns, strict=False)
        ):
            raise _WrongLineError("more cells than the first line has columns; put names with a separator in quotes")
        row = {column: value for column, value in zip(columns, values, strict=False) if value}
        label = row.pop(LABEL, "")
        key = comparable(label)
        if not label:
            raise _WrongLineError("no label; write the name of the class, or remove the line")
        if known is not None and key not in known:
            raise _WrongLineError(
                f"the model has no class {label!r}; write it as flower-infer --info --json does, or remove the line"
            )
        if key in names:
            raise _WrongLineError(f"the label {label!r} for the second time; remove one of the lines")
        names[key] = MappingProxyType(row)
    if not names:
        raise _WrongLineError("no names below; write one line for each class")
    languages = tuple(column for column in columns if column not in ("", LABEL, LATIN))
    return SpeciesNames(languages, MappingProxyType(names))


def _read_header(cells: list[str]) -> list[str]:
    """Return the columns: `LABEL`, `LATIN`, codes of languages, and "" for columns without a heading."""
    if len(cells) > MAX_COLUMNS:
        raise _WrongLineError(f"more than {MAX_COLUMNS} columns; not a file of names")
    headings = [_clean(cell) for cell in cells]
    columns = [heading.lower() if heading.lower() in (LABEL, LATIN) else heading for heading in headings]
    if LABEL not in columns:
        raise _WrongLineError(f"no column {LABEL!r}; the first line must say what the columns are, as label,latin,de")
    for column in columns:
        if column not in ("", LABEL, LATIN) and not LANGUAGE_CODE.fullmatch(column):
            raise _WrongLineError(f"the column {column!r} is neither label, latin nor a language such as de or pt-BR")
    filled = [column.lower() for column in columns if column]
    if len(set(filled)) < len(filled):
        raise _WrongLineError("the same column twice; remove one of them")
    if len(filled) == 1:
        raise _WrongLineError("no names; add a column latin or a language such as de or pt-BR")
    return columns


def _clean(cell: str) -> str:
    """Return a cell without spaces around it, in the normal form of Unicode. It is printed on terminals."""
    value = unicodedata.normalize("NFC", cell.strip())
    if len(value) > MAX_NAME:
        raise _WrongLineError(f"more than {MAX_NAME} characters in a cell; not a name")
    if any(unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp") and c not in JOINERS for c in value):
        raise _WrongLineError("a line break or an invisible control character in a cell; type the name again")
    return value
