"""Rows of tables of answers for the tests of the page about an archive."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from runtime.services.archive.row import Row
from runtime.services.archive.tables.formats import open_table

LABELS = ("rose", "tulip", "sunflower")


def answered(photo: str, probabilities: Sequence[float] = (0.9, 0.1, 0.0), **values: Any) -> Row:
    """Return the row of a photo that got a name, with the probabilities of `LABELS`."""
    order = sorted(range(len(probabilities)), key=lambda index: -probabilities[index])
    predictions = tuple(
        {"label": LABELS[index], "index": index, "probability": float(probabilities[index])} for index in order
    )
    best = predictions[0]
    defaults = {
        "size": 1000, "sha256": hashlib.sha256(photo.encode()).hexdigest(), "verdict": "name", "label": best["label"],
        "probability": best["probability"], "familiarity": 0.5, "name": str(best["label"]).title(), "latin": "Flos",
        "predictions": predictions, "settings": "0" * 16,
    }  # fmt: skip
    return Row(photo, **{**defaults, **values})


def failed(photo: str, kind: str = "damaged") -> Row:
    """Return the row of a photo that could not be answered."""
    return Row(photo, error="not a photo", error_kind=kind, passing=False, settings="0" * 16)


def write_table(path: Path, rows: Sequence[Row]) -> Path:
    """Write a table of answers."""
    table = open_table(str(path), 5)
    if rows:
        table.write_part(0, rows)
    table.finish(1 if rows else 0)
    return path
