"""The same model files in onnxruntime and OpenVINO, and the time of each node."""

import argparse
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from benchmarks.core.arguments import add_rounds_argument
from benchmarks.core.harness import Figures, Run, Suite
from benchmarks.core.process_timing import run_worker
from benchmarks.core.timing import rotating_rounds, speedup
from benchmarks.measurements.node_times import NodeTime, measure_nodes
from runtime.command_line.arguments import add_threads_argument
from runtime.distribution import tool_versions
from runtime.errors import FlowerError
from runtime.inference.session import Session
from runtime.inference.shipped_models import DEFAULT_MODEL

EXAMPLES = """\
examples:
  {command}
  {command} --models runs/flowers/flowers-resnet50-fp32.onnx runs/flowers/flowers-resnet50-int8.onnx

Needs OpenVINO: pip install 'flower-edge[openvino]'. Run nothing else on the machine meanwhile. Each engine and file
runs in a process of its own, one after another in each round.
"""
ENGINES = ("onnxruntime", "openvino")
RUNS = 100
"""Runs in each process. Their median is one measurement."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this suite."""
    parser.add_argument(
        "--models", type=Path, nargs="+", default=[DEFAULT_MODEL], metavar="FILE", help="(default: the model inside)"
    )
    add_rounds_argument(parser, 9)
    add_threads_argument(parser)


def measure(run: Run) -> Figures:
    """Time every file in both engines, and the nodes of the last file in onnxruntime.

    Raises:
        FlowerError: OpenVINO is not installed, or an engine failed.
    """
    options = run.options
    if find_spec("openvino") is None:
        raise FlowerError("OpenVINO is not installed; run: pip install 'flower-edge[openvino]'")
    contestants = [(engine, path) for path in options.models for engine in ENGINES]
    medians: dict[tuple[str, Path], list[float]] = defaultdict(list)
    order = rotating_rounds(contestants, options.rounds)
    for _, turn in tqdm(order, total=options.rounds, desc="engines", unit="round", disable=None):
        for engine, path in turn:
            medians[engine, path].append(_median_milliseconds(engine, path, options.threads))
    rows = []
    for engine, path in contestants:
        times = np.array(medians[engine, path])
        p25, p50, p75 = np.percentile(times, [25, 50, 75]).tolist()
        ratio = speedup(times, np.array(medians["openvino", path]))
        rows.append(
            {"file": path.name, "engine": engine, "ms": {"median": p50, "p25": p25, "p75": p75}, "ratio": ratio}
        )
    profiled = options.models[-1]
    size = Session(profiled, device="cpu", threads=1).info.preprocessing.size
    pixels = np.random.default_rng(0).integers(0, 256, (1, size, size, 3), dtype=np.uint8)
    nodes = measure_nodes(profiled, pixels, options.threads)
    return {
        "openvino": tool_versions("openvino")["openvino"],
        "threads": options.threads,
        "rounds": options.rounds,
        "runs": RUNS,
        "engines": rows,
        "profiled": profiled.name,
        "nodes_ms": sum(node.milliseconds for node in nodes),
        "operators": _sum_by_operator(nodes),
        "nodes": [asdict(node) for node in nodes],
    }


def _median_milliseconds(engine: str, path: Path, threads: int) -> float:
    """Return the median time of one photograph in a process of its own."""
    title = f"{engine} with {path}"
    return float(np.median(json.loads(run_worker(title, "engine_timing", engine, str(path), str(threads), str(RUNS)))))


def _sum_by_operator(nodes: Sequence[NodeTime]) -> list[dict[str, Any]]:
    """Return number and total milliseconds of the nodes of each operator, the slowest operator first."""
    times: dict[str, list[float]] = defaultdict(list)
    for node in nodes:
        times[node.operator].append(node.milliseconds)
    rows = [{"operator": name, "nodes": len(each), "milliseconds": sum(each)} for name, each in times.items()]
    return sorted(rows, key=lambda row: -row["milliseconds"])


SUITE = Suite(
    description="Compare onnxruntime with OpenVINO on the same files, and profile the last file node by node.",
    examples=EXAMPLES,
    add_arguments=add_arguments,
    measure=measure,
)
