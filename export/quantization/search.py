"""The search for an INT8 network that loses nothing: calibration method, repairs of weights, layers in float.

Everything is decided on validation photographs. Methods and repairs are compared by the divergence of INT8's
probabilities from FP32's. Accuracy is too coarse for that: it depends on the few photographs near a tie. Layers stay in
float only if the best candidate without float layers loses more than it may. This part is greedy: layers are added in
the order of what each costs alone. The result reaches the goal, but another choice of fewer layers may reach it, too.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from operator import attrgetter

import numpy as np
import onnx
from tqdm import tqdm

from export.graph.byte_input import with_byte_input
from export.graph.networks import OnnxNetwork
from export.quantization.bias_correction import measure_bias_corrections
from export.quantization.calibration import collect_histograms
from export.quantization.histograms import Histograms
from export.quantization.int8 import quantize
from export.quantization.ranges import METHODS, ActivationRanges, find_ranges
from export.quantization.sensitivity import LayerSensitivity, rank_layers, signal_to_noise
from export.quantization.weight_equalization import equalize_weights
from export.verification.comparison import divergence

EQUALIZED = "equalised"
"""Name in metadata of the repair `export.quantization.weight_equalization`."""
BIAS_CORRECTED = "biases"
"""Name in metadata of the repair `export.quantization.bias_correction`."""


@dataclass(frozen=True)
class QuantizationSettings:
    """What an INT8 network is made from."""

    core: onnx.ModelProto
    """The float network, equalized or not."""
    method: str
    """The calibration method, a name in `export.quantization.ranges.METHODS`."""
    ranges: ActivationRanges
    bias_corrections: Mapping[str, np.ndarray] = field(default_factory=dict)
    repairs: tuple[str, ...] = ()
    """Names of the repairs that were applied."""
    float_layers: tuple[str, ...] = ()
    """Layers that stay in float."""


@dataclass(frozen=True)
class Candidate:
    """One INT8 network, measured on validation photographs."""

    settings: QuantizationSettings
    model: onnx.ModelProto
    """Without the byte input."""
    drop: float
    """FP32's top-1 minus its own, in percentage points."""
    agreement: float
    """Share of photographs with FP32's top-1, 0 to 1."""
    divergence: float
    """Mean Kullback-Leibler divergence of its probabilities from FP32's, in nats."""

    def title(self) -> str:
        """Return its settings in words, for example ``mse, biases, 3 layers in float``."""
        count = len(self.settings.float_layers)
        layers = [f"{count} layer{'s' if count > 1 else ''} in float"] if count else []
        return ", ".join([self.settings.method, *self.settings.repairs, *layers])

    def to_metadata(self) -> dict[str, float]:
        """Return its figures for a model file: drop in points, agreement in percent, divergence in nats."""
        return {
            "drop": round(self.drop, 2) + 0.0,
            "agreement": round(100 * self.agreement, 2),
            "divergence": float(f"{self.divergence:.3g}"),
        }


@dataclass(frozen=True)
class SearchResult:
    """The outcome of a search."""

    best: Candidate
    tried: tuple[Candidate, ...]
    layers: tuple[LayerSensitivity, ...]
    """The one that costs most first. Empty if a candidate without float layers reached the goal."""
    noise: Mapping[str, float]
    """Name of each layer → its signal-to-noise ratio before any layer is kept in float, in decibels."""

    def layers_to_metadata(self) -> dict[str, dict[str, float]]:
        """Return what a model file records of each layer, the one that costs most, or else the noisiest, first."""
        if self.layers:
            return {
                layer.layer: {
                    "signal_to_noise": round(layer.signal_to_noise, 1),
                    "loss_gained": float(f"{layer.loss_gained:.3g}"),
                }
                for layer in self.layers
            }
        noisiest_first = sorted(self.noise.items(), key=lambda pair: pair[1])
        return {layer: {"signal_to_noise": round(ratio, 1)} for layer, ratio in noisiest_first}


def search(
    core: onnx.ModelProto,
    histograms: Histograms,
    images: np.ndarray,
    labels: np.ndarray,
    max_drop: float,
    report: Callable[[str], None],
    *,
    tensorrt: bool = False,
    reference: onnx.ModelProto | None = None,
) -> SearchResult:
    """Find a network that loses at most ``max_drop`` points of top-1, with few layers in float or none.

    Args:
        core: float pixels in, logits out (`export.graph.float_graph.build_float_graph`).
        histograms: of its activations.
        images: validation photographs, uint8, shape (images, size, size, 3).
        labels: int64, shape (images,).
        max_drop: in percentage points.
        report: receives a line about each candidate, and about each layer that stays in float.
        tensorrt: the form of the INT8 network (`export.quantization.int8.quantize`).
        reference: the float network to compare with, if it is not ``core`` (before quantization-aware fine-tuning).

    Returns:
        The best candidate, which loses more than ``max_drop`` if even all layers in float do not reach the goal.
    """
    expected = _run(with_byte_input(core if reference is None else reference), images, "FP32")
    tried: list[Candidate] = []

    def evaluate(settings: QuantizationSettings) -> Candidate:
        model = quantize(
            settings.core,
            settings.ranges,
            float_layers=settings.float_layers,
            tensorrt=tensorrt,
            bias_corrections=settings.bias_corrections,
        )
        logits = _run(with_byte_input(model, use_cast=tensorrt), images, settings.method)
        candidate = Candidate(
            settings,
            model,
            100 * float((correct_answers(expected, labels)).mean() - correct_answers(logits, labels).mean()),
            float((expected.argmax(axis=1) == logits.argmax(axis=1)).mean()),
            divergence(expected, logits),
        )
        report(
            f"search   {candidate.title() + ':':28} {_in_words(candidate.drop)}, "
            f"same answer as FP32 on {candidate.agreement:.2%}, divergence {candidate.divergence:.2g}"
        )
        tried.append(candidate)
        return candidate

    of_divergence = attrgetter("divergence")
    best = min(
        [
            evaluate(QuantizationSettings(core, method, find_ranges(histograms, method, symmetric=tensorrt)))
            for method in METHODS
        ],
        key=of_divergence,
    )
    best = min(best, evaluate(_equalize(best, images, symmetric=tensorrt)), key=of_divergence)
    best = min(best, evaluate(_correct_biases(best, images)), key=of_divergence)
    if best.drop <= max_drop:
        noise = signal_to_noise(best.settings.core, best.model, images)
        return SearchResult(best, tuple(tried), (), noise)
    settings = best.settings
    layers = tuple(
        rank_layers(
            settings.core,
            settings.ranges,
            images,
            labels,
            tensorrt=tensorrt,
            bias_corrections=settings.bias_corrections,
        )
    )
    order = tuple(layer.layer for layer in layers)
    report(
        f"search   keeping layers in float, the one that costs most first, until at most {max_drop:g} points are lost"
    )
    best = _add_float_layers(
        lambda count: evaluate(replace(settings, float_layers=order[:count])), len(order), max_drop
    )
    for layer in layers[: len(best.settings.float_layers)]:
        report(f"search   stays in float: {layer.layer}, which costs {layer.loss_gained:.2g} nats of loss in INT8")
    return SearchResult(best, tuple(tried), layers, {layer.layer: layer.signal_to_noise for layer in layers})


def correct_answers(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return which answers are right: bool, shape (images,)."""
    right: np.ndarray = logits.argmax(axis=1) == labels
    return right


def _equalize(best: Candidate, images: np.ndarray, *, symmetric: bool) -> QuantizationSettings:
    """Equalize the weights. The activations change, so they are calibrated again."""
    settings = best.settings
    core = equalize_weights(settings.core)
    ranges = find_ranges(collect_histograms(core, [images], len(images)), settings.method, symmetric=symmetric)
    return replace(settings, core=core, ranges=ranges, repairs=(*settings.repairs, EQUALIZED))


def _correct_biases(best: Candidate, images: np.ndarray) -> QuantizationSettings:
    settings = best.settings
    corrections = measure_bias_corrections(settings.core, best.model, images)
    return replace(settings, bias_corrections=corrections, repairs=(*settings.repairs, BIAS_CORRECTED))


def _add_float_layers(evaluate: Callable[[int], Candidate], layers: int, max_drop: float) -> Candidate:
    """Find a small number of layers in float that reaches the goal: first doubling, then bisection.

    Bisection takes for granted that a layer more in float never loses more. So one layer fewer misses the goal, but not
    necessarily every smaller number.
    """
    too_few, enough = 0, layers
    reached: Candidate | None = None
    while enough - too_few > 1 or reached is None:
        count = min(2 * max(too_few, 1), enough) if reached is None else (too_few + enough) // 2
        candidate = evaluate(count)
        if candidate.drop <= max_drop:
            enough, reached = count, candidate
        elif count == layers:
            return candidate
        else:
            too_few = count
    return reached


def _in_words(drop: float) -> str:
    """A loss of top-1 in words: better or worse than FP32 by how many percentage points."""
    points = abs(round(drop, 2))
    return f"top-1 {points:.2f} points {'worse' if drop > 0 else 'better'}" if points else "top-1 as FP32"


def _run(model: onnx.ModelProto, images: np.ndarray, title: str) -> np.ndarray:
    """The logits of ``model``: float32, shape (images, classes)."""
    network = OnnxNetwork(model)
    bar = tqdm(images, desc=f"validation, {title}", unit="img", leave=False, disable=None)
    return np.concatenate([network.logits(image[np.newaxis]) for image in bar])
