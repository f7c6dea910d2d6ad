"""Each calibration method (each way to find activation ranges) and repair of the weights: accuracy, memory and time."""

import argparse
import json
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import onnx
from tqdm import tqdm

from benchmarks.core.arguments import add_limit_argument
from benchmarks.core.harness import Figures, Part, Run, Suite, warn
from benchmarks.core.process_timing import measure_worker
from benchmarks.workers.calibration_method import QUANTIZE_STATIC
from export.graph.float_graph import build_float_graph
from export.quantization.calibration import collect_histograms
from export.quantization.ranges import METHODS
from export.quantization.search import search
from export.stages.evidence import changed_photographs
from finetune.data.dataset import read_split
from finetune.data.photo_batches import photo_batches
from finetune.network.checkpoint import Checkpoint, load_checkpoint
from runtime.command_line.arguments import add_data_argument
from runtime.files.digest import file_digest

EXAMPLES = """\
examples:
  {command} --checkpoint runs/flowers/best.pt --data data
  {command} --checkpoint runs/flowers/best.pt --data data --only quality

The part cost runs each method in a process of its own, from reading the photographs to the ranges. For the part
quality, take a checkpoint that was trained without the validation photographs.
"""
MEMORY_LIMIT = 2 * 10**9
"""Bytes. The report says which methods stay below."""
BATCH = 16
ANY_DROP = 100.0
"""Points that an INT8 network may lose here: no layer stays in float."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this suite."""
    parser.add_argument(
        "--checkpoint", type=Path, default=Path("runs/flowers/best.pt"), metavar="FILE", help="(default: %(default)s)"
    )
    add_data_argument(parser)
    add_limit_argument(parser, photographs="validation photographs")


def measure_cost(options: argparse.Namespace, checkpoint: Checkpoint) -> Figures:
    """Memory and time: run every method in a process of its own."""
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
        "photographs": split.describe(),
        "memory_limit_bytes": MEMORY_LIMIT,
        "quantize_static": QUANTIZE_STATIC,
        "rows": rows,
    }


def measure_quality(options: argparse.Namespace, checkpoint: Checkpoint) -> Figures:
    """Accuracy: quantize the network with every method, and with the repairs of the weights added to the best."""
    split = read_split(options.data, "val").head(options.limit)
    core = build_float_graph(checkpoint)
    images = np.concatenate(list(photo_batches(split.paths, checkpoint.preprocessing, BATCH)))
    batches = (images[start : start + BATCH] for start in range(0, len(images), BATCH))
    histograms = collect_histograms(core, batches, len(images))
    result = search(core, histograms, images, split.labels, ANY_DROP, lambda _: None)
    return {
        "photographs": split.describe(),
        "trained_on": checkpoint.provenance.get("train_split", "train"),
        "rows": [
            {
                "title": tried.title(),
                "difference": 0.0 - tried.drop,
                "agreement": tried.agreement,
                "divergence": tried.divergence,
                "is_best": tried is result.best,
            }
            for tried in result.tried
        ],
    }


def _part(name: str, run: Run) -> None:
    """Measure a part and record it with the command, the machine and the checkpoint of this run."""
    checkpoint = load_checkpoint(run.options.checkpoint)
    warn(changed_photographs(run.options.data, checkpoint.provenance, checkpoint.trained_on, names=("val",)))
    measure = {"cost": measure_cost, "quality": measure_quality}[name]
    run.figures[name] = {
        **run.signature,
        "checkpoint_sha256": file_digest(run.options.checkpoint),
        "size": checkpoint.preprocessing.size,
        **measure(run.options, checkpoint),
    }


PARTS: dict[str, Part] = {name: partial(_part, name) for name in ("cost", "quality")}

SUITE = Suite(
    description="Measure each calibration method and repair of the weights: accuracy, peak memory and time.",
    examples=EXAMPLES,
    add_arguments=add_arguments,
    parts=PARTS,
)
