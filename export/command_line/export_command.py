"""``python -m export``: a checkpoint to model files."""

import argparse
from pathlib import Path

from export.command_line.arguments import add_evaluation_arguments
from export.command_line.output import print_line
from export.confidence.cuts import SHARE_NAMED
from export.quantization.ranges import METHODS
from export.targets import PRECISIONS, TARGETS
from runtime.command_line.arguments import add_data_argument, positive_int, whole_number
from runtime.command_line.subcommands import Command
from runtime.distribution import module_command

DEFAULT_CHECKPOINT = Path("runs/flowers/best.pt")
EXPORT = module_command("export")
EXAMPLES = f"""\
examples:
  {EXPORT} --quantize int8            runs/flowers/best.pt to FP32 and INT8, in the same folder
  {EXPORT} --checkpoint best.pt --data data --quantize int8 --output models
  {EXPORT} --quantize int8 --search   try all calibrations; keep layers in float if needed
  {EXPORT} --quantize none            FP32 only
  {EXPORT} --target cuda              FP32, FP16, and INT8 for TensorRT
  {EXPORT} mobile --output app        a folder for phone apps, from the small model inside
  {EXPORT} web --output site          a web page, from the small model inside
  {EXPORT} check --help               the options of a subcommand
  flower-infer --model runs/flowers/flowers-resnet50-int8.onnx photo.jpg

On x86 with AVX2 and without VNNI, programs that open the INT8 file of --target cpu with onnxruntime directly must set
session.x64quantprecision to 1. Without it, sums overflow. The runtime sets it where it is needed.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of an export."""
    files = parser.add_argument_group("files")
    files.add_argument(
        "--checkpoint",
        type=Path,
        default=DEFAULT_CHECKPOINT,
        metavar="FILE",
        help=f"from {module_command('finetune')} (default: %(default)s)",
    )
    add_data_argument(files)
    files.add_argument("--output", type=Path, metavar="DIR", help="(default: the checkpoint's folder)")
    networks = parser.add_argument_group("networks")
    networks.add_argument("--quantize", choices=PRECISIONS, default="int8", help="(default: %(default)s)")
    networks.add_argument(
        "--target",
        choices=TARGETS,
        default="cpu",
        help="cpu: one INT8 file for x86 and arm64; cuda: FP16, and INT8 for TensorRT (default: %(default)s)",
    )
    networks.add_argument(
        "--calibrate",
        choices=tuple(METHODS),
        default="percentile",
        metavar="METHOD",
        help=f"how activation ranges are found: {', '.join(METHODS)} (default: %(default)s)",
    )
    networks.add_argument(
        "--calibration-images",
        type=positive_int,
        metavar="N",
        help="validation photographs to calibrate on (default: all)",
    )
    networks.add_argument(
        "--search",
        action="store_true",
        help="try all calibrations and repairs of the weights; keep layers in float if the best of them loses more "
        "than --max-drop",
    )
    networks.add_argument(
        "--qat",
        type=whole_number,
        default=0,
        metavar="EPOCHS",
        help="quantization-aware fine-tuning before INT8, on the training photographs (default: 0)",
    )
    limits = parser.add_argument_group("accuracy and confidence")
    limits.add_argument(
        "--max-drop",
        type=float,
        default=0.5,
        metavar="POINTS",
        help="points of validation top-1 that a file may lose; an export that loses more fails (default: %(default)s)",
    )
    limits.add_argument(
        "--temperature",
        type=float,
        metavar="N",
        help="use this temperature instead of fitting one on validation",
    )
    limits.add_argument(
        "--threshold",
        type=float,
        metavar="P",
        help="an answer is no name if its best probability is below this (default: fitted together with the "
        f"familiarity, so that {100 * SHARE_NAMED:.0f} %% of the validation photographs get a name)",
    )
    limits.add_argument(
        "--confidence-of",
        type=Path,
        metavar="FILE",
        help="take temperature and cuts from this model file instead of fitting them; for a model that was trained on "
        "the validation photographs, export the same recipe trained without them and give that file",
    )
    add_evaluation_arguments(limits, "split to measure the files on, besides validation")


def run(options: argparse.Namespace) -> None:
    """Export, and print what was written and measured."""
    # Imported here, because torch takes seconds to import.
    from export.command_line.output import results_table
    from export.stages.export_checkpoint import export_checkpoint

    exported = export_checkpoint(
        options.checkpoint,
        options.data,
        output=options.output,
        target=options.target,
        quantize=options.quantize,
        calibration_method=options.calibrate,
        search=options.search,
        qat_epochs=options.qat,
        max_drop=options.max_drop,
        calibration_images=options.calibration_images,
        temperature=options.temperature,
        threshold=options.threshold,
        confidence_of=options.confidence_of,
        evaluate=None if options.evaluate == "none" else options.evaluate,
        evaluation_images=options.evaluation_images,
        report=print_line,
    )
    print(f"measured on {exported[0].measured_on}")
    print(results_table(exported))


COMMAND = Command(
    description="Turn a checkpoint into ONNX files: FP32, and INT8 calibrated on the validation split.",
    examples=EXAMPLES,
    add_arguments=add_arguments,
    run=run,
    interrupted=f"no file is damaged; {EXPORT} check FILE shows whether a file is that of the last complete export",
)
