"""Argument types and options that several command lines share."""

import argparse
from pathlib import Path

from runtime.inference.cpu_threads import cpu_threads
from runtime.inference.shipped_models import SHIPPED_MODELS, model_path

DEFAULT_DATA = Path("data")
"""Where ``--data`` looks unless the user names a folder."""


def positive_int(text: str) -> int:
    """Convert an argument to a whole number of at least 1 (an argparse type)."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 up, not {text!r}")
    return number


def whole_number(text: str) -> int:
    """Convert an argument to a whole number of at least 0 (an argparse type)."""
    return 0 if text == "0" else positive_int(text)


def thread_count(text: str) -> int:
    """Convert an argument to a number of CPU threads, at most one for each processor (an argparse type)."""
    return cpu_threads(positive_int(text))


def add_data_argument(
    parser: argparse._ActionsContainer, *, note: str = "", default: Path | None = DEFAULT_DATA
) -> None:
    """Add ``--data DIR``, the data set.

    Args:
        parser: a parser or a group of one.
        note: what the help says after "the data set".
        default: None to tell whether the option was given.
    """
    parser.add_argument(
        "--data",
        type=Path,
        default=default,
        metavar="DIR",
        help=f"the data set{note} (default: {DEFAULT_DATA})",
    )


def add_model_argument(parser: argparse._ActionsContainer, default: Path) -> None:
    """Add ``--model FILE``, a finished model file.

    Args:
        parser: a parser or a group of one.
        default: a model file inside the package.
    """
    (name,) = (name for name, path in SHIPPED_MODELS.items() if path == default)
    parser.add_argument(
        "--model",
        type=model_path,
        default=default,
        metavar="FILE",
        help=f"a model file, or {', '.join(SHIPPED_MODELS)} for a model inside (default: {name})",
    )


def add_threads_argument(parser: argparse._ActionsContainer) -> None:
    """Add ``--threads N``, the CPU threads of the network, by default `runtime.inference.cpu_threads.default_threads`.

    Args:
        parser: a parser or a group of one.
    """
    parser.add_argument(
        "--threads",
        type=thread_count,
        default=cpu_threads(),
        metavar="N",
        help="CPU threads, at most one for each processor (default: the physical cores allowed)",
    )
