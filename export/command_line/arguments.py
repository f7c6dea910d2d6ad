"""Options that several subcommands of the export share."""

import argparse

from runtime.command_line.arguments import positive_int


def add_evaluation_arguments(parser: argparse._ActionsContainer, purpose: str) -> None:
    """Add ``--evaluate SPLIT`` and ``--evaluation-images N``.

    Args:
        parser: a parser or a group of one.
        purpose: what the split is for, as the help of ``--evaluate`` says it.
    """
    parser.add_argument(
        "--evaluate", choices=("test", "train", "none"), default="test", help=f"{purpose} (default: test)"
    )
    parser.add_argument(
        "--evaluation-images", type=positive_int, metavar="N", help="photographs of that split (default: all)"
    )
