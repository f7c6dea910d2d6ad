"""The search for an INT8 network that loses nothing: which calibration, and which layers must stay in float.

All is decided on validation photographs. Calibrations are compared by how far INT8's probabilities are from FP32's,
which says more than accuracy does: a thousand photographs have a handful near a tie. Layers are kept in float only
where the best calibration alone loses more than it may: as few as reach the goal, in the order of what each costs.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from onnxruntime.quantization.calibrate import TensorsData
from tqdm import tqdm

from export.calibration import Histograms
from export.graph import GraphNetwork, with_intake
from export.int8 import quantize
from export.ranges import METHODS, find_ranges
from export.sensitivity import Sensitivity, rank_layers


@dataclass(frozen=True)
class Candidate:
    """One INT8 network, and how it does on validation."""

    method: str
    keep: tuple[str, ...]
    """Layers that stay in float."""
    model: onnx.ModelProto
    """Without the intake."""
    drop: float
    """FP32's top-1 less its own, in percentage points."""
    agreement: float
    """Share of photographs with FP32's top-1."""
    divergence: float
    """Mean Kullback-Leibler divergence of its probabilities from FP32's, in nats."""


@dataclass(frozen=True)
class Found:
    """What a search came to."""

    best: Candidate
    tried: tuple[Candidate, ...]
    layers: tuple[Sensitivity, ...]
    """Empty where the best calibration alone reached the goal."""


def search(
    core: onnx.ModelProto,
    histograms: Histograms,
    images: np.ndarray,
    labels: np.ndarray,
    max_drop: float,
    report: Callable[[str], None],
    tensorrt: bool = False,
) -> Found:
    """Find the network with the fewest layers in float that loses at most ``max_drop`` points of top-1.

    Args:
        core: float pixels in, logits out (`export.graph.build_core`).
        histograms: of its activations.
        images: validation photographs, uint8, shape (images, size, size, 3).
        labels: int64, shape (images,).
        max_drop: in percentage points.
        report: takes a line about each candidate.
        tensorrt: the form that the network is quantized in.

    Returns:
        The best candidate, which may lose more than ``max_drop`` if even all layers in float do not reach it.
    """
    reference = _logits(with_intake(core), images, "FP32")

    def judge(method: str, ranges: TensorsData, keep: Sequence[str] = ()) -> Candidate:
        model = quantize(core, ranges, keep=keep, tensorrt=tensorrt)
        logits = _logits(with_intake(model, plain=tensorrt), images, f"{method}, {len(keep)} in float")
        candidate = Candidate(
            method,
            tuple(keep),
            model,
            100 * float((_right(reference, labels)).mean() - _right(logits, labels).mean()),
            float((reference.argmax(axis=1) == logits.argmax(axis=1)).mean()),
            divergence(reference, logits),
        )
        report(
            f"search   {method + ',':12} {len(keep):>2} layers in float: {0.0 - candidate.drop:+.2f} points, "
            f"same top-1 {candidate.agreement:.2%}, divergence {candidate.divergence:.2g}"
        )
        return candidate

    found = {method: find_ranges(histograms, method) for method in METHODS}
    tried = [judge(method, ranges) for method, ranges in found.items()]
    best = min(tried, key=lambda candidate: candidate.divergence)
    if best.drop <= max_drop:
        return Found(best, tuple(tried), ())
    ranges = found[best.method]
    layers = rank_layers(core, ranges, images, labels, tensorrt)
    order = [layer.layer for layer in layers]
    # The least number that reaches the goal lies between one that does not and one that does.
    too_few, enough = 0, len(order)
    reached: Candidate | None = None
    while enough - too_few > 1 or reached is None:
        count = min(2 * max(too_few, 1), enough) if reached is None else (too_few + enough) // 2
        candidate = judge(best.method, ranges, order[:count])
        tried.append(candidate)
        if candidate.drop <= max_drop:
            enough, reached = count, candidate
        elif count == len(order):
            return Found(candidate, tuple(tried), tuple(layers))
        else:
            too_few = count
    return Found(reached, tuple(tried), tuple(layers))


def divergence(reference: np.ndarray, logits: np.ndarray) -> float:
    """Mean Kullback-Leibler divergence of the softmax of ``logits`` from that of ``reference``, in nats."""
    exact, found = _log_softmax(reference), _log_softmax(logits)
    return float((np.exp(exact) * (exact - found)).sum(axis=1).mean())


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def _right(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return logits.argmax(axis=1) == labels


def _logits(model: onnx.ModelProto, images: np.ndarray, title: str) -> np.ndarray:
    network = GraphNetwork(model)
    bar = tqdm(images, desc=f"validation, {title}", unit="img", leave=False, disable=None)
    return np.concatenate([network.logits(image[np.newaxis]) for image in bar])
