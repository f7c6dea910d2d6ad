"""One benchmark run: everything that the report shows, as one dictionary."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.core import plots, process_timing, timing
from benchmarks.core.machine import describe_machine
from benchmarks.measurements import accuracy
from export.graph.networks import TorchNetwork
from export.verification.evaluation import Network, run_split
from finetune.accuracy import confusion, per_class
from finetune.data.split import Split
from finetune.network.checkpoint import Checkpoint, load_checkpoint
from runtime.classifier import FlowerClassifier
from runtime.errors import FlowerError
from runtime.files.digest import file_digest
from runtime.inference.session import Session

PYTORCH = "PyTorch FP32"
THROUGHPUT_BATCH = 16


@dataclass(frozen=True)
class Plan:
    """What to measure."""

    checkpoint: Path | None
    models: tuple[Path, ...]
    split: Split
    rounds: int
    threads: int
    command: str


@dataclass(frozen=True)
class Measured:
    """The figures, ready for JSON, and the plots by file name."""

    figures: dict[str, Any]
    plots: dict[str, bytes]


def measure(plan: Plan) -> Measured:
    """Measure accuracy, latency, throughput, memory and cold start of the checkpoint and the model files.

    The first contestant (the checkpoint in PyTorch, or else the first model file) is the reference for accuracy; the
    first model file is the reference for speed.

    Raises:
        FlowerError: a model cannot be opened, or does not belong to the others or to the data.
    """
    torch.set_num_threads(plan.threads)
    sessions: dict[str, Session] = {}
    paths: dict[str, Path] = {}
    for path in plan.models:
        session = Session(path, device="cpu", threads=plan.threads)
        name = _name(session, paths)
        sessions[name], paths[name] = session, path
    checkpoint = load_checkpoint(plan.checkpoint) if plan.checkpoint else None
    _belong_together(checkpoint, sessions, plan.split)

    first = next(iter(sessions.values()))
    networks: dict[str, Network] = {**({PYTORCH: TorchNetwork(checkpoint)} if checkpoint else {}), **sessions}
    logits = run_split(networks, plan.split, first.info.preprocessing)
    reference = next(iter(logits))
    last = list(logits)[-1]

    photo = plan.split.paths[0]
    pixels = first.info.preprocessing(photo)[np.newaxis]
    latency = timing.interleaved(_one_run_each(networks, pixels), plan.rounds, "latency")
    batch = np.repeat(pixels, THROUGHPUT_BATCH, axis=0)
    throughput = timing.interleaved(_one_run_each(networks, batch), max(5, plan.rounds // 10), "throughput")
    whole = timing.interleaved(_photo_to_answer(paths, photo, plan.threads), plan.rounds, "photo to answer")
    started = process_timing.measure(paths, photo, max(5, plan.rounds // 10), plan.threads)

    fastest_reference = next(iter(sessions))
    models = []
    for name in logits:
        entry: dict[str, Any] = {
            "name": name,
            "accuracy": accuracy.figures(logits[name], plan.split, None if name == reference else logits[reference]),
            "latency": timing.percentiles(latency[name]),
            "speedup": timing.speedup(latency[name], latency[fastest_reference]),
            "throughput_images_per_second": float(THROUGHPUT_BATCH / np.median(throughput[name])),
        }
        if name in paths:
            entry |= {
                "file": paths[name].name,
                "sha256": file_digest(paths[name]),
                "bytes": paths[name].stat().st_size,
                "photo_to_answer": timing.percentiles(whole[name]),
                "cold_start": timing.percentiles(started[name]["seconds"]),
                "peak_memory_bytes": float(np.median(started[name]["peak_bytes"])),
            }
        models.append(entry)

    final = logits[last]
    figures = {
        "command": plan.command,
        "machine": {**describe_machine(), "threads_used": plan.threads},
        "split": {"name": plan.split.name, "images": len(plan.split), "of": plan.split.official_size,
                  "sha256": plan.split.digest(), "description": plan.split.describe()},
        "rounds": plan.rounds,
        "throughput_batch": THROUGHPUT_BATCH,
        "reference": reference,
        "speed_reference": fastest_reference,
        "models": models,
        "detailed_model": last,
        "worst_classes": accuracy.worst_classes(final, plan.split),
        "confused_pairs": accuracy.confused_pairs(final, plan.split),
    }  # fmt: skip
    table = confusion(final.argmax(axis=1), plan.split.labels, len(plan.split.classes))
    pictures = {
        "accuracy.png": plots.accuracy_plot(models),
        "latency.png": plots.latency_plot({name: 1000 * values for name, values in latency.items()}),
        "classes.png": plots.per_class_plot(per_class(final, plan.split.labels), last),
        "confusion.png": plots.confusion_plot(table, last),
    }
    return Measured(figures, pictures)


def _name(session: Session, taken: dict[str, Path]) -> str:
    name = f"ONNX {session.info.precision.upper() or session.path.stem}"
    if name in taken:
        name = f"{name} ({session.path})"
    if name in taken:
        raise FlowerError(f"{session.path}: given twice")
    return name


def _belong_together(checkpoint: Checkpoint | None, sessions: dict[str, Session], split: Split) -> None:
    preprocessing = next(iter(sessions.values())).info.preprocessing
    for name, session in sessions.items():
        if session.info.classes != split.classes:
            raise FlowerError(f"{session.path}: its classes are not the data set's; give the data it was trained on")
        if session.info.preprocessing != preprocessing:
            raise FlowerError(f"{session.path}: {name} is preprocessed differently from the others; compare them apart")
    if checkpoint is not None and (checkpoint.classes, checkpoint.preprocessing) != (split.classes, preprocessing):
        raise FlowerError("the checkpoint's classes or preprocessing are not the model files'; export it again")


def _one_run_each(networks: dict[str, Network], pixels: np.ndarray) -> dict[str, Callable[[], object]]:
    return {name: partial(network.logits, pixels) for name, network in networks.items()}


def _photo_to_answer(paths: dict[str, Path], photo: Path, threads: int) -> dict[str, Callable[[], object]]:
    classifiers = {name: FlowerClassifier(path, device="cpu", threads=threads) for name, path in paths.items()}
    return {name: partial(classifier.predict, photo) for name, classifier in classifiers.items()}
