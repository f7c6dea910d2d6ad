"""Accuracy, latency, throughput, memory and start of a checkpoint and its model files."""

import argparse
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.baselines.naive_quantization import NAIVE, quantize_naively
from benchmarks.core import plots
from benchmarks.core.arguments import add_limit_argument, add_rounds_argument, add_split_argument
from benchmarks.core.harness import Figures, Run, Suite, warn
from benchmarks.core.process_timing import infer_command, measure_commands
from benchmarks.core.timing import interleaved, percentiles, speedup
from benchmarks.measurements import accuracy
from export.graph.networks import TorchNetwork
from export.stages.evidence import changed_photographs, changed_photographs_of_model
from export.verification.evaluation import Network, run_split
from finetune.accuracy import confusion, per_class
from finetune.data.dataset import read_split
from finetune.data.split import Split
from finetune.network.checkpoint import Checkpoint, load_checkpoint
from runtime.classifier import FlowerClassifier
from runtime.command_line.arguments import add_data_argument, add_threads_argument
from runtime.errors import FlowerError
from runtime.files.digest import file_digest
from runtime.inference.session import Session
from runtime.inference.shipped_models import model_path

EXAMPLES = """\
examples:
  {command} --data data           the files that the export wrote to runs/flowers
  {command} --checkpoint best.pt --models fp32.onnx int8.onnx --data data
  {command} --limit 50 --rounds 10                   a quick look

Run nothing else on the machine meanwhile. Writes report.md, report.json, report.html and plots to --report.
"""
EXPORTED = Path("runs/flowers")
DEFAULT_CHECKPOINT = EXPORTED / "best.pt"
PYTORCH = "PyTorch FP32"
THROUGHPUT_BATCH = 16


def _exported(precision: str) -> Path:
    """The model file of the default training run. Its name begins with that of its data set."""
    found = list(EXPORTED.glob(f"*-resnet50-{precision}.onnx"))
    return found[0] if len(found) == 1 else EXPORTED / f"flowers-resnet50-{precision}.onnx"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this suite."""
    parser.add_argument(
        "--checkpoint", type=Path, metavar="FILE", help=f"(default: {DEFAULT_CHECKPOINT} if it exists, else none)"
    )
    parser.add_argument(
        "--models",
        type=model_path,
        nargs="+",
        default=[_exported(precision) for precision in ("fp32", "int8")],
        metavar="FILE",
        help="model files; the first is the reference for speed (default: FP32 and INT8 in runs/flowers)",
    )
    parser.add_argument(
        "--naive",
        action="store_true",
        help="also measure two INT8 files that onnxruntime's quantize_static makes of the first model file: with "
        "default options, and with uint8 activations",
    )
    add_data_argument(parser)
    add_split_argument(parser)
    add_limit_argument(parser)
    add_rounds_argument(parser, 200)
    add_threads_argument(parser)


def measure(run: Run) -> Figures:
    """Measure the checkpoint and the model files.

    The first network (the checkpoint, or else the first model file) is the reference for accuracy. The first model file
    is the reference for speed.

    Raises:
        FlowerError: a model cannot be opened, or its classes or preprocessing differ from the others or the data.
    """
    options = run.options
    split = read_split(options.data, options.split).head(options.limit)
    torch.set_num_threads(options.threads)
    sessions = _open_sessions(_with_naive(options) if options.naive else options.models, options.threads)
    path = options.checkpoint or (DEFAULT_CHECKPOINT if DEFAULT_CHECKPOINT.is_file() else None)
    checkpoint = load_checkpoint(path) if path else None
    _check_compatible(checkpoint, sessions, split)
    warn(_changes(checkpoint, sessions, options))

    networks: dict[str, Network] = {**({PYTORCH: TorchNetwork(checkpoint)} if checkpoint else {}), **sessions}
    outputs = run_split(networks, split, next(iter(sessions.values())).info.preprocessing)
    logits = {name: each.logits for name, each in outputs.items()}
    reference, last = next(iter(logits)), list(logits)[-1]
    speed, latency = _time(networks, sessions, split.paths[0], options.rounds, options.threads)
    models = [
        {
            "name": name,
            "accuracy": accuracy.figures(values, split, None if name == reference else logits[reference]),
            **speed[name],
        }
        for name, values in logits.items()
    ]
    final = logits[last]
    _attach_plots(run, models, latency, final, split)
    return {
        "machine": {**run.signature["machine"], "threads_used": options.threads},
        "split": {"name": split.name, "images": len(split), "of": split.official_size,
                  "sha256": split.digest(), "description": split.describe()},
        "rounds": options.rounds,
        "throughput_batch": THROUGHPUT_BATCH,
        "reference": reference,
        "speed_reference": next(iter(sessions)),
        "models": models,
        "detailed_model": last,
        "worst_classes": accuracy.worst_classes(final, split),
        "confused_pairs": accuracy.confused_pairs(final, split),
    }  # fmt: skip


def _changes(
    checkpoint: Checkpoint | None, sessions: Mapping[str, Session], options: argparse.Namespace
) -> Iterator[str]:
    """Return lines about photographs that are not those of the training."""
    names = (options.split,)
    if checkpoint is not None:
        return changed_photographs(options.data, checkpoint.provenance, checkpoint.trained_on, names=names)
    return changed_photographs_of_model(options.data, next(iter(sessions.values())).info, names=names)


def _with_naive(options: argparse.Namespace) -> list[Path]:
    """Quantize the first model file naively, and return all model files with the naive ones after the first."""
    first, *others = options.models
    split = read_split(options.data, "val")
    naive = []
    for precision in NAIVE:
        ending = precision.removesuffix(" int8").replace(" ", "-")
        output = first.with_name(f"{first.stem.removesuffix('-fp32')}-{ending}.onnx")
        naive.append(quantize_naively(first, split, output, precision))
    return [first, *naive, *others]


def _open_sessions(paths: list[Path], threads: int) -> dict[str, Session]:
    sessions: dict[str, Session] = {}
    for path in paths:
        session = Session(path, device="cpu", threads=threads)
        name = f"ONNX {session.info.precision.upper() or session.path.stem}"
        if name in sessions:
            name = f"{name} ({session.path})"
        if name in sessions:
            raise FlowerError(f"{session.path}: this file is given twice; remove it once from --models")
        sessions[name] = session
    return sessions


def _check_compatible(checkpoint: Checkpoint | None, sessions: Mapping[str, Session], split: Split) -> None:
    preprocessing = next(iter(sessions.values())).info.preprocessing
    for session in sessions.values():
        if session.info.classes != split.classes:
            raise FlowerError(
                f"{session.path}: its classes differ from those of the data set; give --data the data it was trained on"
            )
        if session.info.preprocessing != preprocessing:
            raise FlowerError(
                f"{session.path}: its preprocessing differs from the first model file's; measure it in a run of its own"
            )
    if checkpoint is not None and (checkpoint.classes, checkpoint.preprocessing) != (split.classes, preprocessing):
        raise FlowerError(
            "the checkpoint's classes or preprocessing differ from the model files'; export the checkpoint again"
        )


def _time(
    networks: Mapping[str, Network], sessions: Mapping[str, Session], photo: Path, rounds: int, threads: int
) -> tuple[dict[str, dict[str, Any]], dict[str, np.ndarray]]:
    """Return for each network the figures of speed, size and memory; and its latencies in seconds, shape (rounds,)."""
    pixels = next(iter(sessions.values())).info.preprocessing(photo)[np.newaxis]
    few = max(5, rounds // 10)
    latency = interleaved(_calls(networks, pixels), rounds, "latency")
    batch = np.repeat(pixels, THROUGHPUT_BATCH, axis=0)
    throughput = interleaved(_calls(networks, batch), few, "throughput")
    paths = {name: session.path for name, session in sessions.items()}
    classifiers = {name: FlowerClassifier(path, device="cpu", threads=threads) for name, path in paths.items()}
    whole_path = interleaved(
        {name: partial(classifier.predict, photo) for name, classifier in classifiers.items()},
        rounds,
        "photo to answer",
    )
    del classifiers
    started = measure_commands({name: infer_command(threads, photo, model=path) for name, path in paths.items()}, few)
    reference = latency[next(iter(sessions))]
    figures: dict[str, dict[str, Any]] = {}
    for name in networks:
        figures[name] = {
            "latency": percentiles(latency[name]),
            "speedup": speedup(latency[name], reference),
            "throughput_images_per_second": float(THROUGHPUT_BATCH / np.median(throughput[name])),
        }
        if name in paths:
            figures[name] |= {
                "file": paths[name].name,
                "sha256": file_digest(paths[name]),
                "bytes": paths[name].stat().st_size,
                "photo_to_answer": percentiles(whole_path[name]),
                "cold_start": percentiles(started[name]["seconds"]),
                "peak_memory_bytes": float(np.median(started[name]["peak_bytes"])),
            }
    return figures, latency


def _calls(networks: Mapping[str, Network], pixels: np.ndarray) -> dict[str, Callable[[], object]]:
    return {name: partial(network.run, pixels) for name, network in networks.items()}


def _attach_plots(
    run: Run, models: list[dict[str, Any]], latency: Mapping[str, np.ndarray], final: np.ndarray, split: Split
) -> None:
    last = models[-1]["name"]
    table = confusion(final.argmax(axis=1), split.labels, len(split.classes))
    run.attach("accuracy.png", plots.accuracy_plot(models))
    run.attach("latency.png", plots.latency_plot({name: 1000 * seconds for name, seconds in latency.items()}))
    run.attach("classes.png", plots.per_class_plot(per_class(final, split.labels), last))
    run.attach("confusion.png", plots.confusion_plot(table, last))


SUITE = Suite(
    description="Measure accuracy, speed, memory, size and start of a checkpoint and its model files.",
    examples=EXAMPLES,
    add_arguments=add_arguments,
    measure=measure,
    report="report",
)
