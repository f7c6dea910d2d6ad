"""Answers as text: a table, JSON lines, or CSV."""

import csv
import io
import json
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence

from runtime.answers.answer import Answer, photo_name
from runtime.answers.fields import AnswerFields
from runtime.command_line.standard_streams import output_encoding, printable
from runtime.inference.model_file import Cuts

CSV_COLUMNS = ("photo", "rank", "label", "index", "probability", "uncertain", "verdict", "familiarity",
               "photo_bytes", "name", "latin")  # fmt: skip


def as_json(values: Mapping[str, object]) -> str:
    """Return the JSON values of an answer as one JSON object on one line."""
    return json.dumps(values)


def as_csv(name: str, answer: Answer, fields: AnswerFields) -> str:
    """Return one CSV row for each prediction, with the columns `CSV_COLUMNS` (RFC 4180, but the system's line ends)."""
    familiarity = "" if answer.familiarity is None else f"{answer.familiarity:.6f}"
    names = photo_name(name)
    verdict = (str(answer.uncertain).lower(), answer.verdict, familiarity, names.get("photo_bytes", ""))
    return csv_rows(
        (names["photo"], rank, p.label, p.index, f"{p.probability:.6f}", *verdict,
         fields.shown_name(p.label), fields.names.latin(p.label) or "")
        for rank, p in enumerate(answer.predictions, 1)
    )  # fmt: skip


def csv_rows(rows: Iterable[Iterable[object]]) -> str:
    """Return rows as CSV, without the last line end."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().removesuffix("\n")


def as_table(
    name: str, answer: Answer, class_count: int, cuts: Cuts, shown_name: Callable[[str], str] = lambda label: label
) -> str:
    """Return an answer as a table of names, percentages and bars.

    Args:
        name: of the photo.
        answer: for the photo.
        class_count: number of classes of the model.
        cuts: with which the answer was made.
        shown_name: from the label of a class to the name that is shown.
    """
    labels = [printable(shown_name(prediction.label)) for prediction in answer.predictions]
    width = max(map(_columns_of, labels))
    lines = [printable(name)]
    if answer.uncertain:
        lines.append(f"  {verdict_sentence(answer, class_count, cuts, shown_name)}")
    for label, prediction in zip(labels, answer.predictions, strict=True):
        bar = _bar(prediction.probability)
        padding = " " * (width - _columns_of(label))
        lines.append(f"  {label}{padding}  {prediction.probability:6.1%}  {bar}".rstrip())
    return "\n".join(lines)


def verdict_sentence(
    answer: Answer, class_count: int, cuts: Cuts, shown_name: Callable[[str], str] = lambda label: label
) -> str:
    """Return what an uncertain answer means, in words.

    Args:
        answer: whose verdict is not a name.
        class_count: number of classes of the model.
        cuts: with which the answer was made.
        shown_name: as in `as_table`.
    """
    if answer.verdict == "unfamiliar":
        if answer.familiarity is None or answer.familiarity >= cuts.familiarity:
            return "not like any of the names that can occur here; nearest of them:"
        how = f" (familiarity {answer.familiarity:.2f})"
        return f"not like any of the {class_count} flowers that this model knows{how}; nearest:"
    if answer.second is None:
        return "not sure"
    names = f"between {printable(shown_name(answer.best.label))} and {printable(shown_name(answer.second.label))}"
    # Without the familiarity, a low probability can also mean that the photo shows no flower.
    return names if answer.familiarity is not None else f"not sure: {names}, or no flower that this model knows"


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Return rows as lines with aligned columns."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _columns_of(text: str) -> int:
    """Return how many columns of a terminal a text takes. Chinese and Japanese characters take two (UAX 11)."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def _bar(probability: float, width: int = 24) -> str:
    """Return a bar of block characters in eighths, or of ``#`` if the output's encoding lacks them."""
    eighths = round(probability * width * 8)
    bar = "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8]
    try:
        bar.encode(output_encoding())
    except UnicodeEncodeError:
        return "#" * round(probability * width)
    return bar.rstrip()
