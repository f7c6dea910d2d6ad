"""``python -m export web``: a model file to a web page."""

import argparse
from pathlib import Path

from export.command_line.output import print_line
from export.web import onnxruntime_web
from export.web.bundle import build_web_bundle, describe_bundle
from runtime.command_line.arguments import add_model_argument
from runtime.command_line.subcommands import Command
from runtime.distribution import module_command
from runtime.inference.shipped_models import SMALL_MODEL

DEFAULT_OUTPUT = Path("runs/web")
EXPORT = module_command("export")
EXAMPLES = f"""\
examples:
  {EXPORT} web --output site     from the small model inside; needs npm once
  {EXPORT} web --model flowers-resnet50-int8.onnx --output site
  {EXPORT} serve site            show the page on this computer
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of a web bundle."""
    add_model_argument(parser, SMALL_MODEL)
    parser.add_argument("--output", type=Path, default=DEFAULT_OUTPUT, metavar="DIR", help="(default: %(default)s)")
    parser.add_argument(
        "--onnxruntime-web",
        type=Path,
        metavar="FILE",
        help=f"the archive that npm pack onnxruntime-web@{onnxruntime_web.VERSION} makes (default: run npm once)",
    )


def run(options: argparse.Namespace) -> None:
    """Make the bundle, and print its files."""
    bundle = build_web_bundle(options.model, options.output, archive=options.onnxruntime_web, report=print_line)
    print(describe_bundle(bundle))


COMMAND = Command(
    description="Make a folder of static files from a model file: a page that names flowers in any browser.",
    examples=EXAMPLES,
    add_arguments=add_arguments,
    run=run,
    interrupted="the folder is as it was before",
)
