"""``python -m export check``: verify a model file."""

import argparse

from export.command_line.output import print_line
from export.verification.model_check import check_model
from finetune.data.dataset import is_dataset
from finetune.data.what_is_there import no_data_set_message
from runtime.command_line.arguments import DEFAULT_DATA, add_data_argument
from runtime.command_line.subcommands import Command
from runtime.distribution import module_command
from runtime.errors import FlowerError
from runtime.inference.shipped_models import model_path

CHECK = f"{module_command('export')} check"
WORDS = {True: "ok", False: "FAILED", None: "skipped"}
EXAMPLES = f"""\
examples:
  {CHECK} runs/flowers/flowers-resnet50-int8.onnx --data data
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of a check."""
    parser.add_argument("file", type=model_path, metavar="FILE", help="a model file, full or slim")
    add_data_argument(
        parser,
        note=f" it was calibrated and measured on; if it is not given and {DEFAULT_DATA} is none, both are skipped",
        default=None,
    )


def run(options: argparse.Namespace) -> None:
    """Print each finding, and fail if one does not hold."""
    failed = 0
    for finding in check_model(options.file, options.data or DEFAULT_DATA):
        print_line(f"{WORDS[finding.holds]:8} {finding.text}")
        failed += finding.holds is False
    if failed:
        raise FlowerError(f"{options.file}: {failed} of the above checks failed; check --data, or export it again")
    if options.data is not None and not is_dataset(options.data):
        raise FlowerError(no_data_set_message(options.data))


COMMAND = Command(
    description="Check a model file against its manifest, its own metadata and, with the data set, its accuracy.",
    examples=EXAMPLES,
    add_arguments=add_arguments,
    run=run,
    interrupted="the file was not checked completely",
)
