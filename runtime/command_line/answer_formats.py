"""Answers as text: a table for people, JSON lines and CSV for programs."""

import csv
import io
import json
import sys
from collections.abc import Sequence

from runtime.answer import Answer

CSV_COLUMNS = ("photo", "rank", "label", "index", "probability", "uncertain")


def as_json(name: str, answer: Answer) -> str:
    """One object on one line."""
    return json.dumps(to_dict(name, answer))


def to_dict(name: str, answer: Answer) -> dict[str, object]:
    """What the JSON holds."""
    return {
        "photo": name,
        "uncertain": answer.uncertain,
        "predictions": [
            {"label": p.label, "index": p.index, "probability": round(p.probability, 6)} for p in answer.predictions
        ],
    }


def as_csv(name: str, answer: Answer) -> str:
    """A row for each prediction, under `CSV_COLUMNS` (RFC 4180, but for the line ends, which are the system's)."""
    return csv_rows(
        (name, rank, p.label, p.index, f"{p.probability:.6f}", str(answer.uncertain).lower())
        for rank, p in enumerate(answer.predictions, 1)
    )


def csv_rows(rows: object) -> str:
    """Rows as CSV, without the last line end."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)  # type: ignore[arg-type]
    return text.getvalue().removesuffix("\n")


def as_table(name: str, answer: Answer, known: int) -> str:
    """Names, percentages and bars.

    Args:
        name: of the photo.
        answer: to it.
        known: number of classes that the model tells apart.
    """
    labels = [printable(prediction.label) for prediction in answer.predictions]
    width = max(map(len, labels))
    lines = [printable(name)]
    if answer.uncertain:
        lines.append(f"  not sure: perhaps no flower, or none of the {known} that this model knows")
    for label, prediction in zip(labels, answer.predictions, strict=True):
        bar = _bar(prediction.probability)
        lines.append(f"  {label:<{width}}  {prediction.probability:6.1%}  {bar}".rstrip())
    return "\n".join(lines)


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Rows under each other, their columns aligned."""
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def printable(text: str) -> str:
    """``text`` on one line, without control characters, in what the terminal's encoding can show."""
    clean = "".join(letter if letter.isprintable() else "�" for letter in text)
    encoding = _encoding()
    return clean.encode(encoding, "replace").decode(encoding)


def _bar(share: float, width: int = 24) -> str:
    """A bar of block characters in eighths, or of ``#`` where the output cannot show them."""
    eighths = round(share * width * 8)
    bar = "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8]
    try:
        bar.encode(_encoding())
    except UnicodeEncodeError:
        return "#" * round(share * width)
    return bar.rstrip()


def _encoding() -> str:
    # There is no stdout at all if the caller closed it.
    return getattr(sys.stdout, "encoding", None) or "utf-8"
