"""``python -m export``: the command line of exporting."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from export.check import check
from export.pipeline import Exported, Job, run
from export.ranges import METHODS
from export.targets import PRECISIONS, TARGETS
from export.web import bundle as web
from export.web import onnxruntime_web
from export.web.serve import serve
from finetune.dataset import read_split
from runtime.commandline import guarded, positive_int, whole_number
from runtime.errors import FlowerError
from runtime.modelfile import DEFAULT_MODEL

EXAMPLES = """\
examples:
  python -m export --quantize int8                     runs/flowers/best.pt to FP32 and INT8 beside it
  python -m export --checkpoint best.pt --data data --quantize int8 --output models
  python -m export --quantize int8 --search            try all calibrations; keep layers in float where needed
  python -m export --quantize none                     FP32 only
  python -m export --target cuda                       FP32, FP16, and INT8 for TensorRT
  python -m export --target web --output site          a web page that names flowers, from the model inside
  python -m export --serve site                        look at it
  python -m export --check flowers-resnet50-int8.onnx  whether a file is what it says it is
  flower-infer --model runs/flowers/flowers-resnet50-int8.onnx photo.jpg
"""


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
        default=Path("runs/flowers/best.pt"),
        metavar="FILE",
        help="from python -m finetune (default: %(default)s)",
    )
    parser.add_argument("--data", type=Path, default=Path("data"), metavar="DIR", help="the data set (default: data)")
    parser.add_argument("--quantize", choices=PRECISIONS, default=Job.quantize, help="(default: %(default)s)")
    parser.add_argument(
        "--target",
        choices=TARGETS,
        default=Job.target,
        help="cpu: one INT8 file for x86 and arm64; cuda: FP16, and INT8 for TensorRT; mobile: ORT format as well; "
        "web: a page for browsers, of --model (default: %(default)s)",
    )
    parser.add_argument(
        "--model",
        type=Path,
        default=DEFAULT_MODEL,
        metavar="FILE",
        help="for web: the model file to bundle (default: the model inside)",
    )
    parser.add_argument(
        "--output", type=Path, metavar="DIR", help="(default: the checkpoint's folder; for web: runs/web)"
    )
    parser.add_argument(
        "--calibrate", choices=tuple(METHODS), default=Job.method, metavar="METHOD",
        help=f"how activation ranges are found: {', '.join(METHODS)} (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--search",
        action="store_true",
        help="try all calibrations, and keep layers in float where the best alone loses more than --max-drop",
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
    elif options.target == "web":
        work = _bundle_web
    else:
        work = _export
    return guarded("export", lambda: work(options), stopped="nothing was written")


def _export(options: argparse.Namespace) -> None:
    if not 0 <= options.max_drop <= 100:
        raise FlowerError(f"--max-drop {options.max_drop}: must be 0 to 100 points")
    if options.temperature is not None and not 0.01 <= options.temperature <= 100:
        raise FlowerError(f"--temperature {options.temperature}: must be 0.01 to 100")
    evaluation = None
    if options.evaluate != "none":
        evaluation = read_split(options.data, options.evaluate).head(options.evaluation_images)
    job = Job(
        checkpoint=options.checkpoint,
        output=options.output or options.checkpoint.parent,
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
        report=lambda line: print(line, flush=True),
    )
    exported = run(job)
    print(f"measured on {(evaluation or job.calibration).describe()}")
    print(table(exported))


def _bundle_web(options: argparse.Namespace) -> None:
    bundle = web.build(
        options.model,
        options.output or Path("runs/web"),
        archive=options.onnxruntime_web,
        report=lambda line: print(line, flush=True),
    )
    print(web.describe(bundle))


def _serve(options: argparse.Namespace) -> None:
    serve(options.serve, options.port)


def _check(options: argparse.Namespace) -> None:
    failed = 0
    for finding in check(options.check, options.data):
        print(f"{ {True: 'ok', False: 'FAILED', None: 'skipped'}[finding.holds]:8} {finding.text}", flush=True)
        failed += finding.holds is False
    if failed:
        raise FlowerError(f"{options.check}: {failed} of the above do not hold")


def table(exported: Sequence[Exported]) -> str:
    """What was exported, a column a file."""
    rows = [("", *(item.info.precision.upper() + (" ORT" if item.path.suffix == ".ort" else "") for item in exported))]
    rows.append(("size", *(f"{item.size / 1e6:.1f} MB" for item in exported)))
    measured = [list(item.info.evaluation.values())[-1] for item in exported]
    for key, label in (("top1", "top-1"), ("top5", "top-5"), ("mean_per_class", "mean per class")):
        rows.append((label, *(f"{figures[key]:.2f} %" for figures in measured)))
    compared = [item.comparison for item in exported]
    if any(compared):
        for label, cells in (
            ("same top-1 as FP32", [f"{c.agreement:.2%}" if c else "" for c in compared]),
            ("worst logit difference", [f"{c.worst_difference:.3f}" if c else "" for c in compared]),
            ("RMS logit difference", [f"{c.rms_difference:.3f}" if c else "" for c in compared]),
        ):
            rows.append((label, *cells))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    ]
    lines += [str(item.path) for item in exported]
    return "\n".join(line.rstrip() for line in lines)
