"""The time of each node of a model file, by onnxruntime's profiler."""

import json
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from runtime.inference.model_file import INPUT
from runtime.inference.session import session_options

WARMUP, RUNS = 10, 100


@dataclass(frozen=True)
class NodeTime:
    """One node of the graph as onnxruntime optimised it."""

    name: str
    operator: str
    milliseconds: float
    """Mean of `RUNS` runs."""
    shape: str
    """The shape of its first output, for example ``1×112×112×64``."""


def measure_nodes(model: Path, pixels: np.ndarray, threads: int) -> list[NodeTime]:
    """Return the nodes of the graph that onnxruntime makes of ``model``, the slowest first.

    Args:
        model: a model file.
        pixels: uint8, shape (batch, size, size, 3).
        threads: of the session.
    """
    with tempfile.TemporaryDirectory() as folder:
        options = session_options(threads)
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(folder, "profile"))
        session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        for _ in range(WARMUP + RUNS):
            session.run(None, {INPUT: pixels})
        events = json.loads(Path(session.end_profiling()).read_text())
    runs_by_node: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for event in events:
        if event.get("cat") == "Node" and str(event.get("name", "")).endswith("_kernel_time"):
            runs_by_node[event["name"].removesuffix("_kernel_time")].append(event)
    nodes = []
    for name, runs in runs_by_node.items():
        arguments = runs[-1]["args"]
        times = [run["dur"] / 1000 for run in runs[WARMUP:]]
        outputs = arguments.get("output_type_shape") or [{}]
        shape = "×".join(str(side) for side in next(iter(outputs[0].values()), []))
        nodes.append(NodeTime(name, arguments.get("op_name", ""), float(np.mean(times)), shape))
    return sorted(nodes, key=lambda node: -node.milliseconds)
