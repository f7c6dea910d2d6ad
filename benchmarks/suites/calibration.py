"""Peak memory and time of each calibration method (each way to find activation ranges)."""

import argparse
import json
import tempfile
from pathlib import Path

import onnx
from tqdm import tqdm

from benchmarks.core.arguments import add_limit_argument
from benchmarks.core.harness import Figures, Run, Suite
from benchmarks.core.process_timing import measure_worker
from benchmarks.workers.calibration_method import QUANTIZE_STATIC
from export.graph.float_graph import build_float_graph
from export.quantization.ranges import METHODS
from finetune.data.dataset import read_split
from finetune.network.checkpoint import load_checkpoint
from runtime.command_line.arguments import add_data_argument
from runtime.files.digest import file_digest

EXAMPLES = """\
examples:
  {command} --checkpoint runs/flowers/best.pt --data data

Each method runs in a process of its own, from reading the photographs to the ranges.
"""
MEMORY_LIMIT = 2 * 10**9
"""Bytes. The report says which methods stay below."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this suite."""
    parser.add_argument(
        "--checkpoint", type=Path, default=Path("runs/flowers/best.pt"), metavar="FILE", help="(default: %(default)s)"
    )
    add_data_argument(parser)
    add_limit_argument(parser, photographs="validation photographs")


def measure(run: Run) -> Figures:
    """Run every method in a process of its own."""
    options = run.options
    checkpoint = load_checkpoint(options.checkpoint)
    split = read_split(options.data, "val").head(options.limit)
    preprocessing = json.dumps(checkpoint.preprocessing.to_dict())
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        core = Path(folder, "core.onnx")
        onnx.save(build_float_graph(checkpoint), core)
        for method in tqdm((*METHODS, QUANTIZE_STATIC), desc="calibration", unit="method", disable=None):
            arguments = [method, str(core), str(options.data), str(len(split)), preprocessing]
            rows.append({"method": method, **measure_worker(method, "calibration_method", *arguments)})
    return {
        "checkpoint_sha256": file_digest(options.checkpoint),
        "photographs": split.describe(),
        "size": checkpoint.preprocessing.size,
        "memory_limit_bytes": MEMORY_LIMIT,
        "quantize_static": QUANTIZE_STATIC,
        "rows": rows,
    }


SUITE = Suite(
    description="Measure the peak memory and the time of each calibration method.",
    examples=EXAMPLES,
    add_arguments=add_arguments,
    measure=measure,
)
