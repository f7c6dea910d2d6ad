"""``python -m benchmarks calibration``: the peak memory and the time of each calibration method."""

import argparse
import json
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnx
from tqdm import tqdm

from benchmarks.core.machine import describe_machine
from benchmarks.core.process_timing import MEASURED_COMMAND
from benchmarks.core.rendering import render
from benchmarks.workers import worker_command
from benchmarks.workers.calibration_method import NAIVE
from export.graph.float_graph import build_float_graph
from export.quantization.ranges import METHODS
from finetune.data.dataset import read_split
from finetune.network.checkpoint import load_checkpoint
from runtime.command_line.arguments import positive_int
from runtime.command_line.program import run_command
from runtime.errors import FlowerError
from runtime.files.atomic import write_text
from runtime.files.digest import file_digest

EXAMPLES = """\
examples:
  python -m benchmarks calibration --checkpoint runs/flowers/best.pt --data data

Each method is a process of its own, from reading the photographs to the ranges. Writes calibration.md and
calibration.json to --report.
"""
BOUND_BYTES = 2 * 10**9


def build_parser() -> argparse.ArgumentParser:
    """The options of ``python -m benchmarks calibration``."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks calibration",
        description="Measure the peak memory and the time of each way to calibrate.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--checkpoint", type=Path, default=Path("runs/flowers/best.pt"), metavar="FILE", help="(default: %(default)s)"
    )
    parser.add_argument("--data", type=Path, default=Path("data"), metavar="DIR", help="the data set (default: data)")
    parser.add_argument("--limit", type=positive_int, metavar="N", help="validation photographs (default: all)")
    parser.add_argument("--report", type=Path, default=Path("runs/report"), metavar="DIR", help="the report's folder")
    return parser


def main(arguments: Sequence[str]) -> int:
    """Run ``python -m benchmarks calibration`` and return its exit status."""
    options = build_parser().parse_args(arguments)
    return run_command("benchmarks", lambda: _measure(options), interrupted="nothing was written")


def _measure(options: argparse.Namespace) -> None:
    checkpoint = load_checkpoint(options.checkpoint)
    split = read_split(options.data, "val").head(options.limit)
    rule = json.dumps(checkpoint.preprocessing.to_dict())
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        core = Path(folder, "core.onnx")
        onnx.save(build_float_graph(checkpoint), core)
        for method in tqdm((*METHODS, NAIVE), desc="calibration", unit="method", disable=None):
            arguments = [method, str(core), str(options.data), str(len(split)), rule]
            rows.append({"method": method, **_launched("calibration_method", arguments)})
    figures: dict[str, Any] = {
        "command": shlex.join(["python", "-m", "benchmarks", *sys.argv[1:]]),
        "machine": describe_machine(),
        "checkpoint_sha256": file_digest(options.checkpoint),
        "photographs": split.describe(),
        "size": checkpoint.preprocessing.size,
        "bound_bytes": BOUND_BYTES,
        "naive": NAIVE,
        "rows": rows,
    }
    write_text(options.report / "calibration.json", json.dumps(figures, indent=1) + "\n")
    write_text(options.report / "calibration.md", render("calibration.md.jinja", **figures))
    print(options.report / "calibration.md")


def _launched(module: str, arguments: Sequence[str]) -> dict[str, float]:
    """Seconds and peak memory of a module of ours as a process."""
    command = [sys.executable, str(MEASURED_COMMAND), *worker_command(module, *arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise FlowerError(f"{arguments[0]}: {(done.stderr.strip().splitlines() or ['no message'])[-1]}")
    measured: dict[str, float] = json.loads(done.stdout)
    return measured
