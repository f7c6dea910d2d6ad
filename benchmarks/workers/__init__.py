"""Modules that a suite starts as processes of their own, so that they are measured apart from everything else.

Each has a ``__main__`` part and prints JSON. They import nothing from the other rooms of this package.
"""

import sys
from pathlib import Path


def worker_command(name: str, *arguments: str) -> list[str]:
    """Return the command that runs the worker module ``name`` with ``arguments``."""
    return [sys.executable, "-m", f"{__name__}.{name}", *arguments]


def worker_path(name: str) -> Path:
    """Return the file of the worker ``name``, for workers that run without this package."""
    return Path(__file__).with_name(f"{name}.py")
