"""Modules that a suite starts as processes of their own, so that they are measured apart from everything else.

Each has a ``__main__`` part and prints JSON. Of the other rooms of this package, they import `engines` only.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO


def worker_command(name: str, *arguments: str) -> list[str]:
    """Return the command that runs the worker module ``name`` with ``arguments``."""
    return [sys.executable, "-m", f"{__name__}.{name}", *arguments]


def worker_path(name: str) -> Path:
    """Return the file of the worker ``name``, for workers that run without this package."""
    return Path(__file__).with_name(f"{name}.py")


@contextmanager
def own_standard_output() -> Iterator[TextIO]:
    """Keep standard output for the worker's result. What libraries print goes to standard error.

    Libraries in C write to the file descriptor, so it is the descriptor that changes.
    """
    sys.stdout.flush()
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as output:
        os.dup2(2, 1)
        yield output


@contextmanager
def one_line_errors() -> Iterator[None]:
    """End the process with the first line of an error, as the last line of standard error.

    The messages of converters have many lines, and the last of them rarely says what is wrong.
    """
    try:
        yield
    except Exception as error:
        lines = str(error).strip().splitlines()
        raise SystemExit(f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__) from None
