"""Options that several suites share. Options that other packages have, too, are in `runtime.command_line.arguments`."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from finetune.data.dataset import SPLITS
from runtime.command_line.arguments import positive_int
from runtime.inference.shipped_models import SHIPPED_MODELS, model_path

DEFAULT_REPORT = Path("runs/report")
"""Where ``--report`` writes unless the user names a folder."""


def add_report_argument(parser: argparse._ActionsContainer) -> None:
    """Add ``--report DIR``. The harness adds it to every suite."""
    parser.add_argument(
        "--report",
        type=Path,
        default=DEFAULT_REPORT,
        metavar="DIR",
        help="folder for the report (default: %(default)s)",
    )


def add_models_argument(parser: argparse._ActionsContainer) -> None:
    """Add ``--models FILE …``: model files, or names of the models inside, by default all of these."""
    parser.add_argument(
        "--models",
        type=model_path,
        nargs="+",
        default=list(SHIPPED_MODELS.values()),
        metavar="FILE",
        help=f"model files, or {', '.join(SHIPPED_MODELS)} (default: {' '.join(SHIPPED_MODELS)})",
    )


def add_rounds_argument(parser: argparse._ActionsContainer, default: int, *, note: str = "") -> None:
    """Add ``--rounds N``, the number of interleaved rounds.

    Args:
        parser: a parser or a group of one.
        default: the number unless the user gives one.
        note: what the help says after "interleaved rounds".
    """
    parser.add_argument(
        "--rounds",
        type=positive_int,
        default=default,
        metavar="N",
        help=f"interleaved rounds{note} (default: %(default)s)",
    )


def add_split_argument(parser: argparse._ActionsContainer) -> None:
    """Add ``--split NAME``, the split whose photographs are measured."""
    parser.add_argument(
        "--split", choices=SPLITS, default="test", help="split of the data set to measure on (default: %(default)s)"
    )


def add_limit_argument(parser: argparse._ActionsContainer, *, photographs: str = "photographs of the split") -> None:
    """Add ``--limit N``: measure on the first N photographs only.

    Args:
        parser: a parser or a group of one.
        photographs: which photographs, for the help text.
    """
    parser.add_argument("--limit", type=positive_int, metavar="N", help=f"{photographs} (default: all)")


def add_photos_argument(parser: argparse._ActionsContainer, default: int) -> None:
    """Add ``--photos N``: measure on N photographs at equal distances in the split (`evenly_spaced`).

    Args:
        parser: a parser or a group of one.
        default: the number unless the user gives one.
    """
    parser.add_argument(
        "--photos",
        type=positive_int,
        default=default,
        metavar="N",
        help="photographs, at equal distances in the split (default: %(default)s)",
    )


def add_forms_arguments(parser: argparse._ActionsContainer) -> None:
    """Add ``--calibration N`` and ``--forms DIR`` of the engines that make forms of their own from a checkpoint."""
    parser.add_argument(
        "--calibration",
        type=positive_int,
        default=128,
        metavar="N",
        help="validation photographs for the activation ranges of the forms (default: %(default)s)",
    )
    parser.add_argument(
        "--forms",
        type=Path,
        default=Path("runs/engines"),
        metavar="DIR",
        help="for the forms; those of the same checkpoint are used again (default: %(default)s)",
    )


def add_emulation_arguments(parser: argparse._ActionsContainer, processors: Sequence[str]) -> None:
    """Add ``--processors NAME …`` and ``--cache DIR``, the folder for the downloaded emulators.

    Args:
        parser: a parser or a group of one.
        processors: the names that may be chosen; by default all are.
    """
    parser.add_argument("--processors", nargs="+", choices=processors, default=processors, help="(default: all)")
    parser.add_argument(
        "--cache", type=Path, default=Path("runs/emulators"), metavar="DIR", help="for downloads (default: %(default)s)"
    )


def evenly_spaced(paths: tuple[Path, ...], count: int) -> tuple[Path, ...]:
    """Return ``count`` of ``paths`` at equal distances, or all if there are fewer."""
    return paths[:: max(1, len(paths) // count)][:count]
