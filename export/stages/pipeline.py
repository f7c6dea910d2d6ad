"""One export: checkpoint → FP32 → what was asked for, each measured and checked before anything is written."""

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from export.confidence import fit_temperature, fit_threshold
from export.errors import ExportError
from export.files.output_files import PREFIX, write_together
from export.graph.byte_input import with_byte_input
from export.graph.float_graph import build_float_graph
from export.graph.half_precision import to_float16
from export.graph.networks import torch_logits
from export.graph.onnx_files import model_file_bytes
from export.quantization.histograms import collect_histograms
from export.quantization.int8 import quantize
from export.quantization.quantization_aware_training import fine_tune_for_int8
from export.quantization.ranges import find_ranges
from export.quantization.search import search
from export.quantization.sensitivity import NOISE_IMAGES
from export.targets import ModelVariant, model_variants
from export.verification.accuracy_guard import LIMITS, AccuracyLoss, advice, report_noisiest_layers
from export.verification.comparison import Comparison, divergence
from export.verification.evaluation import run_split, summary
from finetune.data.photo_batches import photo_batches
from finetune.data.split import Split
from finetune.network.checkpoint import Checkpoint, load_checkpoint
from runtime.distribution import tool_versions
from runtime.files.atomic import write_bytes
from runtime.files.digest import file_digest
from runtime.inference.model_file import ModelInfo
from runtime.inference.session import Session

CHECKED_IMAGES = 16
TOLERANCE = 1e-3
"""Largest difference of a logit between PyTorch and the FP32 file. Float rounding gives about 1e-5."""


@dataclass(frozen=True)
class Exported:
    """One model file and what was measured of it."""

    path: Path
    info: ModelInfo
    size: int
    """Bytes."""
    comparison: Comparison | None
    """Against FP32 on the split that was measured last; None for FP32 itself."""


@dataclass(frozen=True)
class Job:
    """What to export, and on which photographs to calibrate and measure."""

    checkpoint: Path
    output: Path
    calibration: Split
    evaluation: Split | None
    target: str = "cpu"
    quantize: str = "int8"
    method: str = "percentile"
    search: bool = False
    """Try all methods, and keep layers in float where needed, instead of taking ``method``."""
    max_drop: float = 0.5
    """Points of validation top-1 that a file may lose against FP32."""
    qat: int = 0
    """Epochs of quantization-aware fine-tuning before INT8."""
    training: Split | None = None
    """Photographs for that."""
    temperature: float | None = None
    """For all files, instead of fitting one to each on the calibration photographs."""
    threshold: float | None = None
    """Likewise: the least probability with which an answer counts as sure."""
    report: Callable[[str], None] = print


def run(job: Job) -> list[Exported]:
    """Export as ``job`` says and return the files written, FP32 first.

    Raises:
        ExportError: ONNX does not answer as PyTorch does, a file loses more accuracy than it may, or the classes of
            checkpoint and data differ.
    """
    checkpoint = load_checkpoint(job.checkpoint)
    if checkpoint.classes != job.calibration.classes:
        raise ExportError(
            f"{job.checkpoint}: knows {len(checkpoint.classes)} classes ({checkpoint.classes[0]}, …), the data set has "
            f"{len(job.calibration.classes)} ({job.calibration.classes[0]}, …); give the data it was trained on"
        )
    core = build_float_graph(checkpoint)
    wanted = {form.name: form for form in model_variants(job.target, job.quantize)}
    graphs, infos, cores = {}, {}, {}
    base = _info(checkpoint, job.checkpoint)
    for name, form in wanted.items():
        made = cores[name] = _converted(form, core, checkpoint, job)
        graphs[name] = with_byte_input(made.model, plain=form.tensorrt) if form.precision != "fp16" else made.model
        infos[name] = replace(base, precision=form.precision, calibration=made.notes)
        if form.precision == "fp32":
            _check_against_torch(checkpoint, _opened(graphs[name], infos[name]), job)
    sessions = {name: _opened(graph, infos[name]) for name, graph in graphs.items()}
    # On the calibration photographs first: the temperature is a choice, and choices are made on validation.
    logits = _measure(sessions, infos, job.calibration, checkpoint)
    for name, made in cores.items():
        loss = AccuracyLoss.of(name, infos[name], job.calibration)
        try:
            loss.check(job.max_drop, advice(searched=job.search, fine_tuned=bool(job.qat)))
        except ExportError:
            if infos[name].precision == "int8":
                report_noisiest_layers(made.exact, made.model, _first(job, checkpoint, NOISE_IMAGES), job.report)
            raise
    for name in infos:
        temperature = job.temperature or fit_temperature(logits[name], job.calibration.labels)
        threshold = job.threshold if job.threshold is not None else fit_threshold(logits[name], temperature)
        infos[name] = replace(infos[name], temperature=temperature, threshold=threshold)
    if job.calibration.name in _trained_on(checkpoint):
        note = ""
        if not job.temperature or job.threshold is None:
            note = "; fitted on them, temperature and threshold make answers too sure (--temperature, --threshold)"
        job.report(
            f"note     the network was trained on the {job.calibration.name} photographs, too: its top-1 there says "
            f"nothing, so that {LIMITS} decide as well{note}"
        )
    if job.evaluation is not None:
        logits = _measure(sessions, infos, job.evaluation, checkpoint)
    sessions.clear()  # with their weights, before more copies of these are made
    # All are finished before the first is written, so that a failure leaves nothing new behind.
    contents = {}
    for name in wanted:
        contents[f"{PREFIX}{checkpoint.architecture}-{name}.onnx"] = name, model_file_bytes(graphs[name], infos[name])
    write_together(job.output, {file: content for file, (_, content) in contents.items()})
    return [
        Exported(
            job.output / file,
            infos[name],
            len(content),
            Comparison.of(logits[name], logits["fp32"]) if name != "fp32" else None,
        )
        for file, (name, content) in contents.items()
    ]


@dataclass(frozen=True)
class _Converted:
    """The core in the precision of a form."""

    model: onnx.ModelProto
    exact: onnx.ModelProto
    """The float network that it was made from: the core, fine-tuned and equalised or not."""
    notes: dict[str, Any]
    """What is to be said of its calibration."""


def _converted(form: ModelVariant, core: onnx.ModelProto, checkpoint: Checkpoint, job: Job) -> _Converted:
    if form.precision == "fp32":
        return _Converted(core, core, {})
    if form.precision == "fp16":
        return _Converted(to_float16(with_byte_input(core, plain=True)), core, {})
    notes: dict[str, Any] = {}
    original = core
    if job.qat and job.training is not None:
        checkpoint = fine_tune_for_int8(checkpoint, job.training, job.qat, form.tensorrt)
        core = build_float_graph(checkpoint)
        notes["qat"] = checkpoint.provenance["qat"]
    histograms = collect_histograms(core, _photographs(job.calibration, checkpoint), len(job.calibration))
    method, keep = job.method, tuple[str, ...]()
    if job.search:
        pixels, labels = _first(job, checkpoint, len(job.calibration)), job.calibration.labels
        found = search(core, histograms, pixels, labels, job.max_drop, job.report, form.tensorrt, reference=original)
        best = found.best
        method, keep, quantized, core = best.method, best.keep, best.model, best.recipe.core
        notes["repairs"] = list(best.recipe.repairs)
        notes["tried"] = {candidate.title(): candidate.figures() for candidate in found.tried}
        chosen = best.title()
    else:
        quantized = quantize(core, find_ranges(histograms, method), tensorrt=form.tensorrt)
        chosen = method
    job.report(f"int8     calibrated on {job.calibration.describe()}, {chosen}")
    notes |= {
        "method": method,
        "split": job.calibration.name,
        "images": len(job.calibration),
        "sha256": job.calibration.digest(),
        "float_layers": list(keep),
    }
    return _Converted(quantized, core, notes)


def _info(checkpoint: Checkpoint, path: Path) -> ModelInfo:
    return ModelInfo(
        classes=checkpoint.classes,
        preprocessing=checkpoint.preprocessing,
        architecture=checkpoint.architecture,
        precision="fp32",
        training={
            "checkpoint_sha256": file_digest(path),
            "recipe": checkpoint.recipe,
            "metrics": checkpoint.metrics,
            "provenance": checkpoint.provenance,
            "versions": checkpoint.versions,
        },
        versions=tool_versions("torch", "onnx", "onnxscript", "onnxruntime", "numpy", "pillow"),
    )


def _trained_on(checkpoint: Checkpoint) -> list[str]:
    """The splits that the network has seen the labels of."""
    return str(checkpoint.provenance.get("train_split", "train")).split("+")


def _photographs(split: Split, checkpoint: Checkpoint) -> Iterator[np.ndarray]:
    return photo_batches(split.paths, checkpoint.preprocessing, CHECKED_IMAGES)


def _check_against_torch(checkpoint: Checkpoint, session: Session, job: Job) -> None:
    """Real photographs through PyTorch and through the file must give the same logits."""
    pixels = next(_photographs(job.calibration.head(CHECKED_IMAGES), checkpoint))
    expected = torch_logits(checkpoint, pixels)
    worst = float(np.abs(session.logits(pixels) - expected).max())
    # Written so that NaN fails, too.
    if not worst <= TOLERANCE:
        raise ExportError(
            f"the FP32 file's logits differ from PyTorch's by {worst:.2g} on {len(pixels)} photographs, more than "
            f"{TOLERANCE:g}; nothing was written; try other versions of torch and onnxruntime"
        )
    job.report(f"fp32     same as PyTorch on {len(pixels)} photographs: logits differ by {worst:.1g} at most")


def _measure(
    sessions: dict[str, Session], infos: dict[str, ModelInfo], split: Split, checkpoint: Checkpoint
) -> dict[str, np.ndarray]:
    """Run all sessions on ``split``, write their accuracy into ``infos``, and return their logits."""
    logits = run_split(sessions, split, checkpoint.preprocessing)
    for name, info in infos.items():
        measured = summary(logits[name], split)
        if split.name in _trained_on(checkpoint):
            measured["trained_on"] = True
        if name != "fp32":
            measured["fp32_top1"] = summary(logits["fp32"], split)["top1"]
            measured["divergence_from_fp32"] = float(f"{divergence(logits['fp32'], logits[name]):.3g}")
            measured["agreement_with_fp32"] = round(100 * Comparison.of(logits[name], logits["fp32"]).agreement, 2)
        infos[name] = replace(info, evaluation={**info.evaluation, split.name: measured})
    return logits


def _first(job: Job, checkpoint: Checkpoint, count: int) -> np.ndarray:
    """Calibration photographs as pixels: uint8, shape (count, size, size, 3)."""
    return np.concatenate(list(_photographs(job.calibration.head(count), checkpoint)))


def _opened(graph: onnx.ModelProto, info: ModelInfo) -> Session:
    """The graph as the runtime runs it, through a file like the one that will be written."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.onnx")
        write_bytes(path, model_file_bytes(graph, info))
        return Session(path, device="cpu")
