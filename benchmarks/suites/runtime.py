"""flower-infer with the model inside: start, throughput, memory, probabilities and malformed inputs."""

import argparse
import sys
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

import runtime
from benchmarks.core.arguments import add_limit_argument, add_rounds_argument
from benchmarks.core.harness import Figures, Part, Run, Suite
from benchmarks.core.process_timing import infer_command, measure_commands, minimal_command
from benchmarks.core.timing import percentiles
from benchmarks.fuzzing.driver import MEMORY_LIMIT, fuzz
from benchmarks.fuzzing.largest_photos import LARGEST_PHOTOS
from benchmarks.fuzzing.malformed_inputs import CRAFTED_PHOTOS
from benchmarks.measurements.confidence import measure_confidence
from benchmarks.measurements.large_photos.largest_photos import THREADS as LARGEST_THREADS
from benchmarks.measurements.large_photos.largest_photos import measure_largest_photos
from benchmarks.measurements.large_photos.reduced_scale import (
    measure_camera_photos,
    measure_decoding_time,
    measure_enlarged_photos,
)
from benchmarks.measurements.speed.classifier_throughput import (
    measure_idle_cpu_time,
    measure_many_photos,
    measure_memory,
)
from benchmarks.measurements.speed.model_loading import measure_model_loading
from finetune.data.dataset import read_split
from finetune.data.split import Split
from runtime.command_line.arguments import add_data_argument, add_threads_argument, positive_int
from runtime.errors import FlowerError
from runtime.inference.shipped_models import DEFAULT_MODEL

EXAMPLES = """\
examples:
  {command} --data data
  {command} --data data --only cold many
  {command} --data data --only large --camera-photos wallpapers
  {command} --data data --only fuzz --inputs 20000

Run nothing else on the machine meanwhile.
"""
MINIMAL_SCRIPT = "minimal script"
IDLE_SECONDS = 10.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this suite."""
    add_data_argument(parser)
    add_rounds_argument(parser, 20)
    add_limit_argument(parser, photographs="photographs of each split")
    parser.add_argument(
        "--photos", type=positive_int, default=10_000, metavar="N", help="photos for the part memory (default: 10,000)"
    )
    parser.add_argument(
        "--inputs", type=positive_int, default=20_000, metavar="N", help="inputs for the part fuzz (default: 20,000)"
    )
    parser.add_argument(
        "--camera-photos",
        type=Path,
        metavar="DIR",
        help="JPEG files of several megapixels, for the part large; they need no labels (default: none)",
    )
    add_threads_argument(parser)


def measure_cold_start(options: argparse.Namespace) -> Figures:
    """Time whole processes, and the opening of the model in several forms."""
    photo = _read_test(options).paths[0]
    commands = {
        MINIMAL_SCRIPT: minimal_command(options.threads, DEFAULT_MODEL),
        "flower-infer photo.jpg": infer_command(options.threads, photo),
        "flower-infer --version": [sys.executable, "-m", runtime.__name__, "--version"],
    }
    measured = measure_commands(commands, options.rounds)
    baseline = measured[MINIMAL_SCRIPT]["seconds"]
    rows = [
        {"name": name, **percentiles(m["seconds"]), "times": 1 / np.median(baseline / m["seconds"]),
         "times_quartiles": np.percentile(m["seconds"] / baseline, [25, 75]).tolist(),
         "peak_bytes": float(np.median(m["peak_bytes"]))}
        for name, m in measured.items()
    ]  # fmt: skip
    return {
        "rounds": options.rounds,
        "rows": rows,
        "forms": measure_model_loading(DEFAULT_MODEL, options.rounds, options.threads),
    }


def measure_throughput(options: argparse.Namespace) -> Figures:
    """Photos per second, against the network alone."""
    return measure_many_photos(_read_test(options).paths[:200], max(3, options.rounds // 4), options.threads)


def measure_memory_growth(options: argparse.Namespace) -> Figures:
    """Peak memory while many photos are classified."""
    return {"rows": measure_memory(_read_test(options).paths, options.photos, options.threads)}


def measure_limits(_options: argparse.Namespace) -> Figures:
    """Peak memory on the largest photos that are accepted."""
    return {"rows": measure_largest_photos(), "process_threads": LARGEST_THREADS}


def measure_large_photos(options: argparse.Namespace) -> Figures:
    """Time and answers of decoding large photos at reduced scale."""
    test = _read_test(options)
    figures = {
        **measure_decoding_time(test.paths[0], options.rounds),
        "enlarged": measure_enlarged_photos(test.paths, test.labels, options.threads),
        "split": test.describe(),
    }
    if options.camera_photos is not None:
        paths = sorted(path for path in options.camera_photos.iterdir() if path.suffix.lower() == ".jpg")
        if not paths:
            raise FlowerError(f"{options.camera_photos}: no .jpg files in this folder; name another --camera-photos")
        figures["camera"] = measure_camera_photos(paths, options.threads)
    return figures


def measure_idle(options: argparse.Namespace) -> Figures:
    """CPU time of a classifier that waits."""
    return measure_idle_cpu_time(IDLE_SECONDS, _read_test(options).paths[0], options.threads)


def measure_probabilities(options: argparse.Namespace) -> Figures:
    """How well probabilities and cuts fit, on photographs of flowers."""
    return measure_confidence(DEFAULT_MODEL, _read_test(options), options.threads)


def measure_malformed_inputs(options: argparse.Namespace) -> Figures:
    """What the runtime does with damaged and crafted files."""
    models = max(1, options.inputs // 40)
    plans = (
        ("photos, damaged", "photo", options.inputs - models, ()),
        ("model files, damaged", "model", models, (str(DEFAULT_MODEL),)),
        ("photos, crafted to exhaust memory or time", "crafted", len(CRAFTED_PHOTOS), ()),
        ("photos as large as the limits allow", "largest", min(len(LARGEST_PHOTOS), models), ()),
    )
    rows = []
    with tqdm(total=sum(count for _, _, count, _ in plans), desc="fuzz", unit="input", disable=None) as bar:
        for name, kind, count, more in plans:
            rows.append({"name": name, **asdict(fuzz(kind, count, more, on_progress=bar.update))})
    return {"rows": rows, "memory": MEMORY_LIMIT}


def _read_test(options: argparse.Namespace) -> Split:
    return read_split(options.data, "test").head(options.limit)


def _record_part(name: str, measure: Callable[[argparse.Namespace], Figures], run: Run) -> None:
    """Measure a part and record it with the command and the machine of this run."""
    machine = {**run.signature["machine"], "threads_used": run.options.threads}
    run.figures[name] = {**measure(run.options), **run.signature, "machine": machine}


_PARTS: dict[str, Callable[[argparse.Namespace], Figures]] = {
    "cold": measure_cold_start,
    "many": measure_throughput,
    "memory": measure_memory_growth,
    "limits": measure_limits,
    "large": measure_large_photos,
    "idle": measure_idle,
    "confidence": measure_probabilities,
    "fuzz": measure_malformed_inputs,
}
PARTS: dict[str, Part] = {name: partial(_record_part, name, measure) for name, measure in _PARTS.items()}

SUITE = Suite(
    description="Measure flower-infer with the model inside: start, speed, memory, probabilities and malformed inputs.",
    examples=EXAMPLES,
    add_arguments=add_arguments,
    parts=PARTS,
    interrupted="the report holds the parts that were complete",
)
