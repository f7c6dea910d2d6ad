"""The time that onnxruntime takes to open a model file, in several forms of the file."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnxruntime

from benchmarks.core.timing import interleaved, percentiles, speedup
from export.graph.ort_format import to_ort


def measure_model_loading(model: Path, rounds: int, threads: int) -> list[dict[str, Any]]:
    """Time opening ``model`` as it is, optimised for any processor, and in ORT format.

    Args:
        model: a model file.
        rounds: interleaved.
        threads: of the sessions.

    Returns:
        For each form its bytes, milliseconds, and speed relative to the file as it is.
    """
    content = model.read_bytes()
    with tempfile.TemporaryDirectory() as folder:
        options = _session_options(threads)
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
        options.optimized_model_filepath = str(Path(folder, "optimised.onnx"))
        onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        forms = {
            "as exported (QDQ)": content,
            "optimised for any processor": Path(folder, "optimised.onnx").read_bytes(),
            "ORT format": to_ort({"model": content})["model.ort"],
        }

    def opener(form: bytes) -> Callable[[], object]:
        options = _session_options(threads)
        return lambda: onnxruntime.InferenceSession(form, options, providers=["CPUExecutionProvider"])

    seconds = interleaved({name: opener(form) for name, form in forms.items()}, rounds, "loading", warmup=1)
    first = next(iter(forms))
    return [
        {"name": name, "bytes": len(forms[name]), **percentiles(times), "ratio": speedup(times, seconds[first])}
        for name, times in seconds.items()
    ]


def _session_options(threads: int) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4  # fatal errors only
    return options
