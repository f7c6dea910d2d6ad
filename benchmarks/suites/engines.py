"""``python -m benchmarks engines``: one INT8 file in onnxruntime and OpenVINO, and what each layer of it costs."""

import argparse
import json
import shlex
import subprocess
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from benchmarks.core.machine import describe_machine
from benchmarks.core.rendering import render
from benchmarks.core.timing import speedup
from benchmarks.measurements.node_times import Node, node_times
from benchmarks.workers import worker_command
from runtime.command_line.arguments import positive_int
from runtime.command_line.program import run_command
from runtime.distribution import tool_versions
from runtime.errors import FlowerError
from runtime.files.atomic import write_text
from runtime.inference.cpu_threads import default_threads
from runtime.inference.model_file import DEFAULT_MODEL
from runtime.inference.session import Session

EXAMPLES = """\
examples:
  python -m benchmarks engines
  python -m benchmarks engines --models runs/flowers/flowers-resnet50-fp32.onnx runs/flowers/flowers-resnet50-int8.onnx

Needs OpenVINO: pip install 'flower-edge[openvino]'. Leave the machine to itself. Each run is a process of its own; they
take turns. Writes engines.md and engines.json to --report.
"""
ENGINES = ("onnxruntime", "openvino")
RUNS = 100
"""In each process, of which the median counts."""
SHOWN_NODES = 15


def build_parser() -> argparse.ArgumentParser:
    """The options of ``python -m benchmarks engines``."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks engines",
        description="Compare onnxruntime with OpenVINO on the same files, and profile the last of them node by node.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--models", type=Path, nargs="+", default=[DEFAULT_MODEL], metavar="FILE", help="(default: the model inside)"
    )
    parser.add_argument("--rounds", type=positive_int, default=9, metavar="N", help="(default: %(default)s)")
    parser.add_argument("--threads", type=positive_int, default=default_threads(), metavar="N", help="CPU threads")
    parser.add_argument("--report", type=Path, default=Path("runs/report"), metavar="DIR", help="the report's folder")
    return parser


def main(arguments: Sequence[str]) -> int:
    """Run ``python -m benchmarks engines`` and return its exit status."""
    options = build_parser().parse_args(arguments)
    return run_command("benchmarks", lambda: _compare(options), interrupted="nothing was written")


def _compare(options: argparse.Namespace) -> None:
    if find_spec("openvino") is None:
        raise FlowerError("OpenVINO is not installed: pip install 'flower-edge[openvino]'")
    contestants = [(engine, path) for path in options.models for engine in ENGINES]
    medians: dict[tuple[str, Path], list[float]] = defaultdict(list)
    for index in tqdm(range(options.rounds), desc="engines", unit="round", disable=None):
        turn = index % len(contestants)
        for engine, path in contestants[turn:] + contestants[:turn]:
            medians[engine, path].append(_median(engine, path, options.threads))
    rows = []
    for engine, path in contestants:
        times = np.array(medians[engine, path])
        p25, p50, p75 = np.percentile(times, [25, 50, 75]).tolist()
        ratio = speedup(times, np.array(medians["openvino", path]))
        rows.append(
            {"file": path.name, "engine": engine, "ms": {"median": p50, "p25": p25, "p75": p75}, "ratio": ratio}
        )
    session = Session(options.models[-1], device="cpu", threads=1)
    size = session.info.preprocessing.size
    pixels = np.random.default_rng(0).integers(0, 256, (1, size, size, 3), dtype=np.uint8)
    nodes = node_times(options.models[-1], pixels, options.threads)
    figures: dict[str, Any] = {
        "command": shlex.join(["python", "-m", "benchmarks", *sys.argv[1:]]),
        "machine": describe_machine(),
        "openvino": tool_versions("openvino")["openvino"],
        "threads": options.threads,
        "rounds": options.rounds,
        "runs": RUNS,
        "engines": rows,
        "profiled": options.models[-1].name,
        "nodes_ms": sum(node.milliseconds for node in nodes),
        "operators": _by_operator(nodes),
        "nodes": [asdict(node) for node in nodes],
    }
    write_text(options.report / "engines.json", json.dumps(figures, indent=1) + "\n")
    write_text(options.report / "engines.md", render("engines.md.jinja", shown=SHOWN_NODES, **figures))
    print(options.report / "engines.md")


def _median(engine: str, path: Path, threads: int) -> float:
    """Milliseconds a photograph, in a process that holds nothing else."""
    command = worker_command("engine_timing", engine, str(path), str(threads), str(RUNS))
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise FlowerError(f"{engine} on {path}: {(done.stderr.strip().splitlines() or ['no message'])[-1]}")
    return float(np.median(json.loads(done.stdout)))


def _by_operator(nodes: Sequence[Node]) -> list[dict[str, Any]]:
    """Sum and number of nodes of each operator, the costliest first."""
    found: dict[str, list[float]] = defaultdict(list)
    for node in nodes:
        found[node.operator].append(node.milliseconds)
    rows = [{"operator": name, "nodes": len(times), "milliseconds": sum(times)} for name, times in found.items()]
    return sorted(rows, key=lambda row: -row["milliseconds"])
