"""The folder of one form: made completely or not at all, and used again for the same checkpoint and photographs."""

import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

RECORD = "form.json"
DIGITS = 16
"""Hexadecimal digits of the checkpoint's digest in the name of a folder. The record has all of them."""


def form_folder(root: Path, checkpoint_sha256: str, engine: str, form: str) -> Path:
    """Return where the files of a form are."""
    return root / checkpoint_sha256[:DIGITS] / f"{engine}-{form}"


def is_made(folder: Path, made_from: dict[str, Any]) -> bool:
    """Return whether ``folder`` holds the form that would be made from ``made_from`` now."""
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return bool(record == made_from)


def make_form(folder: Path, made_from: dict[str, Any], make: Callable[[Path], None]) -> None:
    """Make a form and put it into ``folder``, in the place of an older one.

    Args:
        folder: of the form.
        made_from: recorded beside the files, as JSON: digests, number of photographs, versions.
        make: writes the files into an empty folder.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        new = Path(scratch, "form")
        new.mkdir()
        make(new)
        (new / RECORD).write_text(json.dumps(made_from, indent=1) + "\n", encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        new.rename(folder)


def form_bytes(path: Path) -> int:
    """Return the size of a form's files, without its record, or of a model file."""
    if path.is_file():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.iterdir() if file.name != RECORD)
