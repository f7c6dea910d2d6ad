"""What each node of a model file costs, by onnxruntime's own profiler."""

import json
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime

from runtime.inference.model_file import INPUT
from runtime.inference.session import session_options

WARMUP, RUNS = 10, 100


@dataclass(frozen=True)
class Node:
    """One node of the optimised graph."""

    name: str
    operator: str
    milliseconds: float
    """Mean of the runs."""
    shape: str
    """Of its first output."""


def node_times(model: Path, pixels: np.ndarray, threads: int) -> list[Node]:
    """The nodes of the graph that onnxruntime makes of ``model``, the slowest first.

    Args:
        model: a model file.
        pixels: uint8, shape (batch, size, size, 3).
        threads: for one operation.
    """
    with tempfile.TemporaryDirectory() as folder:
        options = session_options(threads)
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(folder, "profile"))
        session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        for _ in range(WARMUP + RUNS):
            session.run(None, {INPUT: pixels})
        events = json.loads(Path(session.end_profiling()).read_text())
    found: dict[str, list[dict[str, object]]] = defaultdict(list)
    for event in events:
        if event.get("cat") == "Node" and str(event.get("name", "")).endswith("_kernel_time"):
            found[event["name"].removesuffix("_kernel_time")].append(event)
    nodes = []
    for name, runs in found.items():
        arguments = runs[-1]["args"]
        assert isinstance(arguments, dict)
        times = [float(str(run["dur"])) / 1000 for run in runs[WARMUP:]]
        outputs = arguments.get("output_type_shape") or [{}]
        shape = "×".join(str(side) for side in next(iter(outputs[0].values()), []))
        nodes.append(Node(name, str(arguments.get("op_name", "")), float(np.mean(times)), shape))
    return sorted(nodes, key=lambda node: -node.milliseconds)
