"""``python -m export``: the command line of exporting."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from export.command_line.tables import bundle_table, table
from export.confidence import PASSING
from export.files.metadata import update_metadata
from export.mobile.bundle import UNCHECKED, build_mobile_bundle
from export.quantization.ranges import METHODS
from export.stages.pipeline import Exported, Job, run
from export.targets import PRECISIONS, TARGETS
from export.verification.model_check import check
from export.web import bundle as web
from export.web import onnxruntime_web
from export.web.server import serve
from finetune.data.dataset import is_dataset, read_split
from finetune.data.split import Split
from runtime.command_line.arguments import positive_int, whole_number
from runtime.command_line.program import run_command
from runtime.errors import FlowerError
from runtime.inference.model_file import DEFAULT_MODEL
from runtime.inference.session import Session

USUAL_CHECKPOINT = Path("runs/flowers/best.pt")
USUAL_DATA = Path("data")
USUAL_BUNDLES = Path("runs")

EXAMPLES = """\
examples:
  python -m export --quantize int8                     runs/flowers/best.pt to FP32 and INT8 beside it
  python -m export --checkpoint best.pt --data data --quantize int8 --output models
  python -m export --quantize int8 --search            try all calibrations; keep layers in float where needed
  python -m export --quantize none                     FP32 only
  python -m export --target cuda                       FP32, FP16, and INT8 for TensorRT
  python -m export --target mobile --output app        a folder for phones, from the model inside the package
  python -m export --target web --output site          a web page that names flowers, from the model inside
  python -m export --serve site                        look at it
  python -m export --check flowers-resnet50-int8.onnx  whether a file is what it says it is
  flower-infer --model runs/flowers/flowers-resnet50-int8.onnx photo.jpg

On x86 with AVX2 but without VNNI, the INT8 file of --target cpu must be opened through the runtime, or in onnxruntime
with session.x64quantprecision = 1: its sums overflow otherwise.
"""


STOPPED = "every file is the old one or the new one, whole; --check FILE tells whether it is that of the last export"


def build_parser() -> argparse.ArgumentParser:
    """The options of ``python -m export``."""
    parser = argparse.ArgumentParser(
        prog="python -m export",
        description="Turn a checkpoint into ONNX files: FP32, and INT8 calibrated on the validation split.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--checkpoint",
        type=Path,
        metavar="FILE",
        help=f"from python -m finetune (default: {USUAL_CHECKPOINT}; for --target mobile and web: none, see --model)",
    )
    parser.add_argument(
        "--model",
        type=Path,
        metavar="FILE",
        help="for --target mobile and web: a model file from an earlier export, instead of a checkpoint "
        "(default: the model inside the package); with --temperature or --threshold alone: a file to change them in",
    )
    parser.add_argument(
        "--data", type=Path, default=USUAL_DATA, metavar="DIR", help="the data set (default: %(default)s)"
    )
    parser.add_argument("--quantize", choices=PRECISIONS, default=Job.quantize, help="(default: %(default)s)")
    parser.add_argument(
        "--target",
        choices=TARGETS,
        default=Job.target,
        help="cpu: one INT8 file for x86 and arm64; cuda: FP16, and INT8 for TensorRT; mobile: a folder for apps, "
        "photo in, names out; web: a page for browsers (default: %(default)s)",
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help="(default: the checkpoint's folder; for --target mobile and web, a folder of that name in it, or in runs)",
    )
    parser.add_argument(
        "--calibrate", choices=tuple(METHODS), default=Job.method, metavar="METHOD",
        help=f"how activation ranges are found: {', '.join(METHODS)} (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--search",
        action="store_true",
        help="try all calibrations and repairs of the weights, and keep layers in float where the best of these alone "
        "loses more than --max-drop",
    )
    parser.add_argument(
        "--qat",
        type=whole_number,
        default=0,
        metavar="EPOCHS",
        help="fine-tune with INT8's rounding first, on the training split; 3 minutes an epoch on two CPU cores "
        "(default: 0)",
    )
    parser.add_argument(
        "--max-drop",
        type=float,
        default=Job.max_drop,
        metavar="POINTS",
        help="of top-1 on validation that INT8 may lose; an export that loses more fails (default: %(default)s)",
    )
    parser.add_argument(
        "--calibration-images",
        type=positive_int,
        metavar="N",
        help="validation photographs to calibrate on (default: all)",
    )
    parser.add_argument(
        "--temperature",
        type=float,
        metavar="N",
        help="for a model trained on the validation photographs, too: that of the same recipe trained without them "
        "(default: fitted on validation)",
    )
    parser.add_argument(
        "--threshold",
        type=float,
        metavar="P",
        help="likewise: the probability below which an answer is not sure "
        f"(default: what {100 * PASSING:.0f} %% of the validation photographs reach)",
    )
    parser.add_argument(
        "--evaluate",
        choices=("test", "train", "none"),
        default="test",
        help="split to measure the files on, besides validation (default: test)",
    )
    parser.add_argument("--evaluation-images", type=positive_int, metavar="N", help="photographs of it (default: all)")
    parser.add_argument(
        "--onnxruntime-web",
        type=Path,
        metavar="FILE",
        help=f"for web: what npm pack onnxruntime-web@{onnxruntime_web.VERSION} makes (default: run npm once)",
    )
    parser.add_argument("--serve", type=Path, metavar="DIR", help="export nothing; show a web bundle on this computer")
    parser.add_argument("--port", type=whole_number, default=8000, metavar="N", help="for --serve (default: 8000)")
    parser.add_argument(
        "--check",
        type=Path,
        metavar="FILE",
        help="export nothing; verify a file's digest, metadata and, with the data set, its calibration and accuracy",
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``python -m export`` and return its exit status."""
    options = build_parser().parse_args(arguments)
    if options.check is not None:
        work = _check
    elif options.serve is not None:
        work = _serve
    elif options.target in ("mobile", "web"):
        work = _bundle
    else:
        work = _export if options.model is None else _restate
    return run_command("export", lambda: work(options), interrupted=STOPPED)


def _export(options: argparse.Namespace) -> None:
    checkpoint = options.checkpoint or USUAL_CHECKPOINT
    _export_checkpoint(options, checkpoint, options.output or checkpoint.parent)


def _restate(options: argparse.Namespace) -> None:
    _check_confidence(options)
    nothing_to_change = options.temperature is None and options.threshold is None
    others = options.checkpoint is not None or options.target != "cpu" or options.search or options.qat
    if nothing_to_change or others:
        raise FlowerError("--model goes with --target mobile and web, or with --temperature and --threshold alone")
    print(update_metadata(options.model, options.output or options.model.parent,
                  temperature=options.temperature, threshold=options.threshold))  # fmt: skip


def _check_confidence(options: argparse.Namespace) -> None:
    if options.temperature is not None and not 0.01 <= options.temperature <= 100:
        raise FlowerError(f"--temperature {options.temperature}: must be 0.01 to 100")
    if options.threshold is not None and not 0 <= options.threshold <= 1:
        raise FlowerError(f"--threshold {options.threshold}: must be 0 to 1")


def _export_checkpoint(options: argparse.Namespace, checkpoint: Path, output: Path) -> list[Exported]:
    if not 0 <= options.max_drop <= 100:
        raise FlowerError(f"--max-drop {options.max_drop}: must be 0 to 100 points")
    _check_confidence(options)
    evaluation = None
    if options.evaluate != "none":
        evaluation = read_split(options.data, options.evaluate).head(options.evaluation_images)
    job = Job(
        checkpoint=checkpoint,
        output=output,
        calibration=read_split(options.data, "val").head(options.calibration_images),
        evaluation=evaluation,
        target=options.target,
        quantize=options.quantize,
        method=options.calibrate,
        search=options.search,
        qat=options.qat,
        training=read_split(options.data, "train") if options.qat else None,
        max_drop=options.max_drop,
        temperature=options.temperature,
        threshold=options.threshold,
        report=lambda line: print(line, flush=True),
    )
    exported = run(job)
    print(f"measured on {(evaluation or job.calibration).describe()}")
    print(table(exported))
    return exported


def _bundle(options: argparse.Namespace) -> None:
    if options.checkpoint is not None and options.model is not None:
        raise FlowerError("--checkpoint and --model: give one of them; a bundle is made from one model")
    if options.checkpoint is not None:
        model = _export_checkpoint(options, options.checkpoint, options.checkpoint.parent)[-1].path
    else:
        model = _finished_model(options)
    output = options.output or (options.checkpoint.parent if options.checkpoint else USUAL_BUNDLES) / options.target

    def report(line: str) -> None:
        print(line, flush=True)

    if options.target == "web":
        print(web.describe(web.build_web_bundle(model, output, archive=options.onnxruntime_web, report=report)))
    else:
        print(bundle_table(build_mobile_bundle(model, output, _photographs(options), report=report)))


def _finished_model(options: argparse.Namespace) -> Path:
    """The file of ``--model``, which is what ``--quantize`` says."""
    if options.search or options.qat or (options.temperature, options.threshold) != (None, None):
        raise FlowerError(
            "--search, --qat, --temperature and --threshold are for quantizing a --checkpoint; --model is finished"
        )
    model: Path = options.model or DEFAULT_MODEL
    precision = Session(model, device="cpu").info.precision
    wanted = "fp32" if options.quantize == "none" else options.quantize
    if precision != wanted:
        option = "none" if precision == "fp32" else precision
        raise FlowerError(f"{model}: is {precision}, not {wanted}; give --quantize {option}, or a --checkpoint")
    return model


def _photographs(options: argparse.Namespace) -> Split | None:
    """What to check a bundle on: None where there is no data set and none was asked for."""
    if options.evaluate == "none" or (options.data == USUAL_DATA and not is_dataset(options.data)):
        print(f"note            {UNCHECKED}", flush=True)
        return None
    return read_split(options.data, options.evaluate).head(options.evaluation_images)


def _serve(options: argparse.Namespace) -> None:
    serve(options.serve, options.port)


def _check(options: argparse.Namespace) -> None:
    failed = 0
    for finding in check(options.check, options.data):
        print(f"{ {True: 'ok', False: 'FAILED', None: 'skipped'}[finding.holds]:8} {finding.text}", flush=True)
        failed += finding.holds is False
    if failed:
        raise FlowerError(f"{options.check}: {failed} of the above do not hold")
