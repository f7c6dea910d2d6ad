"""Modules that a benchmark starts as a process of its own, to measure it apart from everything else.

Each has a ``__main__`` part and prints JSON. Nothing here is imported by a suite, except for the functions below.
"""

import sys
from pathlib import Path


def worker_command(name: str, *arguments: str) -> list[str]:
    """Return the command that runs the worker module ``name`` with ``arguments``."""
    return [sys.executable, "-m", f"{__name__}.{name}", *arguments]


def worker_path(name: str) -> Path:
    """Return the file of the worker ``name``, for workers that must import nothing of this project."""
    return Path(__file__).with_name(f"{name}.py")
