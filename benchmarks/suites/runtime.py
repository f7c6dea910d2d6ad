"""``python -m benchmarks runtime``: `flower-infer` from cold start to ten thousand photos, and what cannot break it."""

import argparse
import json
import shlex
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from tqdm import tqdm

import runtime
from benchmarks.baselines.unrelated_pictures import draw_unrelated_pictures
from benchmarks.core.intervals import wilson
from benchmarks.core.machine import describe_machine
from benchmarks.core.process_timing import infer_command, measure_commands
from benchmarks.core.rendering import render
from benchmarks.core.timing import interleaved, percentiles, speedup
from benchmarks.fuzzing.driver import MEMORY, fuzz
from benchmarks.fuzzing.malformed_inputs import HOSTILE
from benchmarks.measurements.classifier_throughput import idle, large_photo, many_photos, memory, reduced_scale_accuracy
from benchmarks.workers import worker_path
from export.confidence import BINS, expected_calibration_error
from export.graph.ort_format import to_ort
from export.verification.evaluation import run_split
from finetune.data.dataset import read_split
from finetune.data.split import Split
from runtime.answer import softmax
from runtime.command_line.arguments import positive_int
from runtime.command_line.program import run_command
from runtime.files.atomic import write_text
from runtime.inference.cpu_threads import default_threads
from runtime.inference.model_file import DEFAULT_MODEL
from runtime.inference.session import Session
from runtime.photos.listing import photos_below

EXAMPLES = """\
examples:
  python -m benchmarks runtime --data data
  python -m benchmarks runtime --data data --only cold many
  python -m benchmarks runtime --data data --only confidence --strangers not-flowers/
  python -m benchmarks runtime --data data --only fuzz --inputs 20000

Leave the machine to itself. Parts that were measured before stay in the report. Writes runtime.md and runtime.json to
--report.
"""
MINIMAL_START = worker_path("minimal_start")


def build_parser() -> argparse.ArgumentParser:
    """The options of ``python -m benchmarks runtime``."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks runtime",
        description="Measure flower-infer with the model inside: start, throughput, memory, probabilities, robustness.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, default=Path("data"), metavar="DIR", help="the data set (default: data)")
    parser.add_argument("--only", nargs="+", choices=tuple(PARTS), default=tuple(PARTS), help="(default: all)")
    parser.add_argument(
        "--rounds", type=positive_int, default=20, metavar="N", help="interleaved (default: %(default)s)"
    )
    parser.add_argument("--limit", type=positive_int, metavar="N", help="photographs of a split (default: all)")
    parser.add_argument("--photos", type=positive_int, default=10_000, metavar="N", help="of memory (default: 10,000)")
    parser.add_argument(
        "--inputs", type=positive_int, default=20_000, metavar="N", help="to fuzz with (default: 20,000)"
    )
    parser.add_argument(
        "--strangers", type=Path, metavar="DIR", help="photos that show no flower (default: drawn ones)"
    )
    parser.add_argument("--threads", type=positive_int, default=default_threads(), metavar="N", help="CPU threads")
    parser.add_argument("--report", type=Path, default=Path("runs/report"), metavar="DIR", help="the report's folder")
    return parser


def main(arguments: Sequence[str]) -> int:
    """Run ``python -m benchmarks runtime`` and return its exit status."""
    options = build_parser().parse_args(arguments)
    return run_command(
        "benchmarks", lambda: _measure(options), interrupted="the parts that were complete are in the report"
    )


def _measure(options: argparse.Namespace) -> None:
    record = options.report / "runtime.json"
    figures: dict[str, Any] = json.loads(record.read_text()) if record.is_file() else {}
    for part in options.only:
        figures[part] = {
            **PARTS[part](options),
            "command": shlex.join(["python", "-m", "benchmarks", *sys.argv[1:]]),
            "machine": {**describe_machine(), "threads_used": options.threads},
        }
        write_text(record, json.dumps(figures, indent=1) + "\n")
        write_text(options.report / "runtime.md", render("runtime.md.jinja", **figures))
    print(options.report / "runtime.md")


def _test(options: argparse.Namespace) -> Split:
    return read_split(options.data, "test").head(options.limit)


def _cold(options: argparse.Namespace) -> dict[str, Any]:
    photo = _test(options).paths[0]
    commands = {
        "the floor": [sys.executable, str(MINIMAL_START), str(DEFAULT_MODEL), str(options.threads)],
        "flower-infer photo.jpg": infer_command(options.threads, photo),
        "flower-infer --version": [sys.executable, "-m", runtime.__name__, "--version"],
    }
    measured = measure_commands(commands, options.rounds)
    floor = measured["the floor"]["seconds"]
    rows = [
        {"name": name, **percentiles(m["seconds"]), "times": 1 / np.median(floor / m["seconds"]),
         "times_quartiles": np.percentile(m["seconds"] / floor, [25, 75]).tolist(),
         "peak_bytes": float(np.median(m["peak_bytes"]))}
        for name, m in measured.items()
    ]  # fmt: skip
    return {"rounds": options.rounds, "rows": rows, "forms": _forms(options)}


def _forms(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Opening the model as it is, and as onnxruntime's optimiser would have left it for any processor."""
    content = DEFAULT_MODEL.read_bytes()
    with tempfile.TemporaryDirectory() as folder:
        settings = onnxruntime.SessionOptions()
        settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
        settings.optimized_model_filepath = str(Path(folder, "optimised.onnx"))
        settings.log_severity_level = 4
        onnxruntime.InferenceSession(content, settings, providers=["CPUExecutionProvider"])
        forms = {
            "as exported (QDQ)": content,
            "optimised for any processor": Path(folder, "optimised.onnx").read_bytes(),
            "ORT format": to_ort({"model": content})["model.ort"],
        }

    def opened(form: bytes) -> Callable[[], object]:
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = options.threads
        settings.log_severity_level = 4
        return lambda: onnxruntime.InferenceSession(form, settings, providers=["CPUExecutionProvider"])

    seconds = interleaved({name: opened(form) for name, form in forms.items()}, options.rounds, "loading", warmup=1)
    first = next(iter(forms))
    return [
        {"name": name, "bytes": len(forms[name]), **percentiles(s), "ratio": speedup(s, seconds[first])}
        for name, s in seconds.items()
    ]


def _many(options: argparse.Namespace) -> dict[str, Any]:
    return many_photos(_test(options).paths[:200], max(3, options.rounds // 4), options.threads)


def _memory(options: argparse.Namespace) -> dict[str, Any]:
    return {"rows": memory(_test(options).paths, options.photos, options.threads)}


def _large(options: argparse.Namespace) -> dict[str, Any]:
    val = read_split(options.data, "val").head(options.limit)
    return {
        **large_photo(val.paths[0], options.rounds),
        "accuracy": reduced_scale_accuracy(val.paths, val.labels, options.threads),
        "split": val.describe(),
    }


def _idle(options: argparse.Namespace) -> dict[str, Any]:
    return idle(10, _test(options).paths[0], options.threads)


def _confidence(options: argparse.Namespace) -> dict[str, Any]:
    test = _test(options)
    session = Session(DEFAULT_MODEL, device="cpu", threads=options.threads)
    info = session.info
    probabilities = softmax(
        run_split({"file": session}, test, info.preprocessing)["file"] / np.float32(info.temperature)
    )
    passing = probabilities.max(axis=1) >= info.threshold
    right = probabilities.argmax(axis=1) == test.labels
    if options.strangers:
        strangers = [info.preprocessing(name) for name, _ in photos_below(str(options.strangers))]
    else:
        strangers = [info.preprocessing(image) for image in draw_unrelated_pictures()]
    best = [softmax(session.logits(s[None]) / np.float32(info.temperature)).max() for s in strangers]
    unsure = int((np.array(best) < info.threshold).sum())
    return {
        "split": test.describe(),
        "temperature": info.temperature,
        "threshold": info.threshold,
        "bins": BINS,
        "calibration_error": expected_calibration_error(probabilities, test.labels),
        "mean_probability": float(probabilities.max(axis=1).mean()),
        "top1": float(right.mean()),
        "passing": float(passing.mean()),
        "passing_interval": wilson(int(passing.sum()), len(passing)),
        "right_of_passing": float(right[passing].mean()) if passing.any() else None,
        "right_of_unsure": float(right[~passing].mean()) if (~passing).any() else None,
        "strangers": {"given": bool(options.strangers), "images": len(best), "unsure": unsure},
    }


def _fuzz(options: argparse.Namespace) -> dict[str, Any]:
    models = max(1, options.inputs // 40)
    kinds = (
        ("photos, damaged", "photo", options.inputs - models, ()),
        ("model files, damaged", "model", models, (str(DEFAULT_MODEL),)),
        ("photos made to hurt", "hostile", len(HOSTILE), ()),
    )
    rows = []
    with tqdm(total=sum(count for _, _, count, _ in kinds), desc="fuzz", unit="input", disable=None) as bar:
        for name, kind, count, more in kinds:
            rows.append({"name": name, **asdict(fuzz(kind, count, more, advance=bar.update))})
    return {"rows": rows, "memory": MEMORY}


PARTS: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "cold": _cold,
    "many": _many,
    "memory": _memory,
    "large": _large,
    "idle": _idle,
    "confidence": _confidence,
    "fuzz": _fuzz,
}
