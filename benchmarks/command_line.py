"""``python -m benchmarks``: the command line of measuring."""

import argparse
import shlex
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from benchmarks.baselines.naive_quantization import NAIVE, quantize_naively
from benchmarks.core.rendering import write_report
from benchmarks.suites.models import Plan, measure
from finetune.data.dataset import SPLITS, read_split
from runtime.command_line.arguments import positive_int
from runtime.command_line.program import run_command
from runtime.inference.cpu_threads import default_threads

EXAMPLES = """\
examples:
  python -m benchmarks                                  what python -m export left in runs/flowers
  python -m benchmarks --checkpoint best.pt --models fp32.onnx int8.onnx --data data --output report
  python -m benchmarks --limit 50 --rounds 10           a quick look
  python -m benchmarks training --help                  seeds, ablations and speed of training
  python -m benchmarks runtime --help                   flower-infer: start, throughput, memory, robustness
  python -m benchmarks emulation --help                 the model file on an emulated Raspberry Pi
  python -m benchmarks engines --help                   onnxruntime against OpenVINO; a table of layers
  python -m benchmarks calibration --help               memory and time of each calibration method
  python -m benchmarks mobile --help                    the bundle for phones: size, agreement, speed
  python -m benchmarks web --help                       the web bundle in Chromium, with screenshots

Leave the machine to itself while it runs. Writes report.md, report.json, report.html and the plots to --output.
"""


COMMANDS = {
    "training": "training",
    # Not a module of that name: a script in this folder would import it in place of the package.
    "runtime": "infer",
    "mobile": "mobile",
    "web": "web",
    "emulation": "emulation",
    "engines": "engines",
    "calibration": "calibration",
}
"""What may stand before other options → the module of this package that has the command line."""
EXPORTED = Path("runs/flowers")
USUAL_CHECKPOINT = EXPORTED / "best.pt"


def build_parser() -> argparse.ArgumentParser:
    """The options of ``python -m benchmarks``."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure accuracy, speed, memory, size and cold start of a checkpoint and its exports.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--checkpoint", type=Path, metavar="FILE", help=f"(default: {USUAL_CHECKPOINT} if it exists)")
    parser.add_argument(
        "--models",
        type=Path,
        nargs="+",
        default=[EXPORTED / f"flowers-resnet50-{precision}.onnx" for precision in ("fp32", "int8")],
        metavar="FILE",
        help="model files, the reference for speed first (default: FP32 and INT8 in runs/flowers)",
    )
    parser.add_argument(
        "--naive",
        action="store_true",
        help="also measure what onnxruntime's quantize_static makes of the first model file: all options as they come, "
        "and with uint8 activations",
    )
    parser.add_argument("--data", type=Path, default=Path("data"), metavar="DIR", help="the data set (default: data)")
    parser.add_argument("--split", choices=SPLITS, default="test", help="(default: test)")
    parser.add_argument("--limit", type=positive_int, metavar="N", help="photographs of it (default: all)")
    parser.add_argument(
        "--rounds", type=positive_int, default=200, metavar="N", help="interleaved rounds (default: 200)"
    )
    parser.add_argument(
        "--threads",
        type=positive_int,
        default=default_threads(),
        metavar="N",
        help="CPU threads (default: all cores allowed)",
    )
    parser.add_argument(
        "--output", type=Path, default=Path("runs/report"), metavar="DIR", help="(default: runs/report)"
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``python -m benchmarks`` and return its exit status."""
    given = sys.argv[1:] if arguments is None else arguments
    if given and given[0] in COMMANDS:
        # Imported here: each has packages of its own.
        status: int = import_module(f"benchmarks.{COMMANDS[given[0]]}").main(given[1:])
        return status
    options = build_parser().parse_args(given)
    command = shlex.join(["python", "-m", "benchmarks", *given])
    return run_command("benchmarks", lambda: _benchmark(options, command), interrupted="nothing was written")


def _benchmark(options: argparse.Namespace, command: str) -> None:
    models = list(options.models)
    if options.naive:
        split = read_split(options.data, "val")
        for place, precision in enumerate(NAIVE, start=1):
            ending = precision.removesuffix(" int8").replace(" ", "-")
            naive = models[0].with_name(f"{models[0].stem.removesuffix('-fp32')}-{ending}.onnx")
            models.insert(place, quantize_naively(models[0], split, naive, precision))
    plan = Plan(
        checkpoint=options.checkpoint or (USUAL_CHECKPOINT if USUAL_CHECKPOINT.is_file() else None),
        models=tuple(models),
        split=read_split(options.data, options.split).head(options.limit),
        rounds=options.rounds,
        threads=options.threads,
        command=command,
    )
    for path in write_report(measure(plan), options.output):
        print(path)
