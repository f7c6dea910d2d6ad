"""``python -m export mobile``: a model file to a folder for phone apps."""

import argparse
from pathlib import Path

from export.command_line.arguments import add_evaluation_arguments
from export.command_line.output import bundle_table, print_line
from export.mobile.bundle import UNCHECKED, build_mobile_bundle
from finetune.data.dataset import is_dataset, read_split
from finetune.data.split import Split
from runtime.command_line.arguments import DEFAULT_DATA, add_data_argument, add_model_argument
from runtime.command_line.subcommands import Command
from runtime.distribution import module_command
from runtime.inference.shipped_models import SMALL_MODEL

DEFAULT_OUTPUT = Path("runs/mobile")
MOBILE = f"{module_command('export')} mobile"
EXAMPLES = f"""\
examples:
  {MOBILE} --output app --data data
  {MOBILE} --output app --evaluate none            without photographs: checked on drawn pictures
  {MOBILE} --model flowers-resnet50-int8.onnx --output app --data data
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of a mobile bundle."""
    add_model_argument(parser, SMALL_MODEL)
    parser.add_argument("--output", type=Path, default=DEFAULT_OUTPUT, metavar="DIR", help="(default: %(default)s)")
    add_data_argument(parser, note=" to check the bundle on")
    add_evaluation_arguments(parser, "split to check the bundle on; none: drawn pictures")


def run(options: argparse.Namespace) -> None:
    """Make the bundle, and print its files."""
    print(bundle_table(build_mobile_bundle(options.model, options.output, _photographs(options), report=print_line)))


def _photographs(options: argparse.Namespace) -> Split | None:
    """The photographs to check on. None with --evaluate none, or if there is no data set at the default path."""
    if options.evaluate == "none" or (options.data == DEFAULT_DATA and not is_dataset(options.data)):
        print_line(f"note            {UNCHECKED}")
        return None
    return read_split(options.data, options.evaluate).head(options.evaluation_images)


COMMAND = Command(
    description="Make a folder for phone apps from a model file: photo in, names out.",
    examples=EXAMPLES,
    add_arguments=add_arguments,
    run=run,
    interrupted="the folder is as it was before",
)
