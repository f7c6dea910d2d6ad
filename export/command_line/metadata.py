"""``python -m export metadata``: change the temperature or the cuts of a model file."""

import argparse
import sys
from pathlib import Path

from export.files.model_metadata import update_metadata
from runtime.command_line.subcommands import Command
from runtime.distribution import module_command
from runtime.inference.shipped_models import model_path

METADATA = f"{module_command('export')} metadata"
EXAMPLES = f"""\
examples:
  {METADATA} flowers-resnet50-int8.onnx --threshold 0.6
  {METADATA} flowers-resnet50-int8.onnx --temperature 0.5 --output changed
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of a change."""
    parser.add_argument("file", type=model_path, metavar="FILE", help="a model file, full or slim")
    parser.add_argument("--temperature", type=float, metavar="N", help="0.01 to 100 (default: as it is)")
    parser.add_argument(
        "--threshold", type=float, metavar="P", help="smallest probability of a name, 0 to 1 (default: as it is)"
    )
    parser.add_argument(
        "--familiarity-threshold",
        type=float,
        metavar="F",
        help="smallest familiarity of a name, 0 to 1 (default: as it is)",
    )
    parser.add_argument(
        "--output", type=Path, metavar="DIR", help="where to write (default: the folder of FILE, which is replaced)"
    )


def run(options: argparse.Namespace) -> None:
    """Write the file again, and print its path."""
    print(
        update_metadata(
            options.file,
            output=options.output,
            temperature=options.temperature,
            threshold=options.threshold,
            familiarity_threshold=options.familiarity_threshold,
            report=lambda line: print(line, file=sys.stderr),  # standard output is the path alone
        )
    )


COMMAND = Command(
    description="Write a model file again with another temperature or other cuts. The network stays the same.",
    examples=EXAMPLES,
    add_arguments=add_arguments,
    run=run,
    interrupted="the file is the old or the new one, never damaged",
)
