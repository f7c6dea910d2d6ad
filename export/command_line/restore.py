"""``python -m export restore``: a checkpoint from a model file."""

import argparse
from pathlib import Path

from runtime.command_line.arguments import add_data_argument
from runtime.command_line.subcommands import Command
from runtime.distribution import module_command
from runtime.inference.shipped_models import DEFAULT_MODEL, model_path

RESTORE = f"{module_command('export')} restore"
EXAMPLES = f"""\
examples:
  {RESTORE} --data data                            the model inside the package
  {RESTORE} flowers-resnet50-int8.onnx --data data --output runs/restored/best.pt
then, for a smaller network or for photographs of your own:
  {module_command("finetune")} --data data --slim runs/restored/best.pt --splits train,val --output runs/slim
  {module_command("finetune")} --data my-plants --weights runs/restored/best.pt
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of a restored checkpoint."""
    parser.add_argument(
        "file",
        type=model_path,
        nargs="?",
        default=DEFAULT_MODEL,
        metavar="FILE",
        help="a model file, full or slim (default: full, the model inside)",
    )
    add_data_argument(parser, note=", that the network was trained on")
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("runs/restored/best.pt"),
        metavar="FILE",
        help="the checkpoint (default: runs/restored/best.pt)",
    )


def run(options: argparse.Namespace) -> None:
    """Write the checkpoint, and print how well it agrees with the model file."""
    # torch is slow to import, and --help does not need it.
    from export.stages.restore import restore_checkpoint

    path, agreement = restore_checkpoint(options.file, options.data, options.output)
    print(f"{path}: gives the same first name as {options.file.name} to {agreement:.1%} of the photographs")


COMMAND = Command(
    description="Make a checkpoint from a finished model file, for more training or a smaller network (a minute).",
    examples=EXAMPLES,
    add_arguments=add_arguments,
    run=run,
    interrupted="nothing was written",
)
