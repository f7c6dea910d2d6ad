"""The search for an INT8 network that loses nothing: which calibration and repairs, and which layers stay in float.

All is decided on validation photographs. Calibrations and repairs are compared by how far INT8's probabilities are from
FP32's, which says more than accuracy does: a thousand photographs have a handful near a tie. Layers are kept in float
only where the best of those alone loses more than it may: as few as reach the goal, in the order of what each costs.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import onnx
from onnxruntime.quantization.calibrate import TensorsData
from tqdm import tqdm

from export.graph.byte_input import with_byte_input
from export.graph.networks import OnnxNetwork
from export.quantization.bias_correction import bias_errors
from export.quantization.histograms import Histograms, collect_histograms
from export.quantization.int8 import quantize
from export.quantization.ranges import METHODS, find_ranges
from export.quantization.sensitivity import NOISE_IMAGES, Sensitivity, rank_layers, signal_to_noise
from export.quantization.weight_equalization import equalize_weights
from export.verification.comparison import divergence

EQUALISED, BIASES = "equalised", "biases"
"""Repairs (`export.quantization.weight_equalization`)."""


@dataclass(frozen=True)
class QuantizationSettings:
    """What an INT8 network is made from."""

    core: onnx.ModelProto
    """The float network, equalised or not."""
    method: str
    ranges: TensorsData
    errors: Mapping[str, np.ndarray] = field(default_factory=dict)
    """To be added to biases."""
    repairs: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    """Layers that stay in float."""


@dataclass(frozen=True)
class Candidate:
    """One INT8 network, and how it does on validation."""

    recipe: QuantizationSettings
    model: onnx.ModelProto
    """Without the intake."""
    drop: float
    """FP32's top-1 less its own, in percentage points."""
    agreement: float
    """Share of photographs with FP32's top-1."""
    divergence: float
    """Mean Kullback-Leibler divergence of its probabilities from FP32's, in nats."""

    @property
    def method(self) -> str:
        """The calibration."""
        return self.recipe.method

    @property
    def keep(self) -> tuple[str, ...]:
        """Layers that stay in float."""
        return self.recipe.keep

    def title(self) -> str:
        """For example ``mse, biases, 3 layers in float``."""
        count = len(self.keep)
        layers = [f"{count} layer{'s' if count > 1 else ''} in float"] if count else []
        return ", ".join([self.method, *self.recipe.repairs, *layers])

    def figures(self) -> dict[str, float]:
        """For the metadata of a model file: drop in points, agreement in percent, divergence in nats."""
        return {
            "drop": round(self.drop, 2) + 0.0,
            "agreement": round(100 * self.agreement, 2),
            "divergence": float(f"{self.divergence:.3g}"),
        }


@dataclass(frozen=True)
class SearchResult:
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
    reference: onnx.ModelProto | None = None,
) -> SearchResult:
    """Find the network with the fewest layers in float that loses at most ``max_drop`` points of top-1.

    Args:
        core: float pixels in, logits out (`export.graph.float_graph.build_float_graph`).
        histograms: of its activations.
        images: validation photographs, uint8, shape (images, size, size, 3).
        labels: int64, shape (images,).
        max_drop: in percentage points.
        report: takes a line about each candidate, and a table of the layers in the end.
        tensorrt: the form that the network is quantized in.
        reference: the float network to compare with, if ``core`` is that network fine-tuned.

    Returns:
        The best candidate, which may lose more than ``max_drop`` if even all layers in float do not reach it.
    """
    expected = _logits(with_byte_input(core if reference is None else reference), images, "FP32")
    tried: list[Candidate] = []

    def judge(recipe: QuantizationSettings) -> Candidate:
        model = quantize(recipe.core, recipe.ranges, keep=recipe.keep, tensorrt=tensorrt, errors=recipe.errors)
        logits = _logits(with_byte_input(model, plain=tensorrt), images, recipe.method)
        candidate = Candidate(
            recipe,
            model,
            100 * float((_right(expected, labels)).mean() - _right(logits, labels).mean()),
            float((expected.argmax(axis=1) == logits.argmax(axis=1)).mean()),
            divergence(expected, logits),
        )
        report(
            f"search   {candidate.title() + ':':28} {0.0 - candidate.drop:+.2f} points, "
            f"same top-1 {candidate.agreement:.2%}, divergence {candidate.divergence:.2g}"
        )
        tried.append(candidate)
        return candidate

    best = min(
        [judge(QuantizationSettings(core, method, find_ranges(histograms, method))) for method in METHODS],
        key=lambda candidate: candidate.divergence,
    )
    for repair in (_equalise, _correct_biases):
        best = min(best, judge(repair(best, images)), key=lambda candidate: candidate.divergence)
    layers: tuple[Sensitivity, ...] = ()
    if best.drop > max_drop:
        recipe = best.recipe
        layers = tuple(rank_layers(recipe.core, recipe.ranges, images, labels, tensorrt, recipe.errors))
        order = tuple(layer.layer for layer in layers)
        best = _fewest(lambda count: judge(replace(recipe, keep=order[:count])), len(order), max_drop)
    for line in _table(best, layers, images):
        report(line)
    return SearchResult(best, tuple(tried), layers)


def _equalise(best: Candidate, images: np.ndarray) -> QuantizationSettings:
    """Its activations are others, so they are calibrated anew."""
    recipe = best.recipe
    core = equalize_weights(recipe.core)
    ranges = find_ranges(collect_histograms(core, [images], len(images)), recipe.method)
    return replace(recipe, core=core, ranges=ranges, repairs=(*recipe.repairs, EQUALISED))


def _correct_biases(best: Candidate, images: np.ndarray) -> QuantizationSettings:
    recipe = best.recipe
    errors = bias_errors(recipe.core, best.model, images)
    return replace(recipe, errors=errors, repairs=(*recipe.repairs, BIASES))


def _fewest(judge: Callable[[int], Candidate], layers: int, max_drop: float) -> Candidate:
    """The candidate with the least number of layers in float that reaches the goal.

    The number lies between one that does not reach it and one that does.
    """
    too_few, enough = 0, layers
    reached: Candidate | None = None
    while enough - too_few > 1 or reached is None:
        count = min(2 * max(too_few, 1), enough) if reached is None else (too_few + enough) // 2
        candidate = judge(count)
        if candidate.drop <= max_drop:
            enough, reached = count, candidate
        elif count == layers:
            return candidate
        else:
            too_few = count
    return reached


def _table(best: Candidate, layers: Sequence[Sensitivity], images: np.ndarray) -> Iterator[str]:
    """The layers, the one that costs most first; by their noise alone where nobody needed to know what each costs."""
    if layers:
        yield "search   signal to noise   loss gained in float   layer"
        for layer in layers:
            kept = "   (stays in float)" if layer.layer in best.keep else ""
            yield f"search   {layer.signal_to_noise:>12.1f} dB   {layer.loss_gained:>20.5f}   {layer.layer}{kept}"
    else:
        noise = signal_to_noise(best.recipe.core, best.model, images[:NOISE_IMAGES])
        yield "search   signal to noise   layer"
        for name, ratio in sorted(noise.items(), key=lambda pair: pair[1]):
            yield f"search   {ratio:>12.1f} dB   {name}"


def _right(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return logits.argmax(axis=1) == labels


def _logits(model: onnx.ModelProto, images: np.ndarray, title: str) -> np.ndarray:
    network = OnnxNetwork(model)
    bar = tqdm(images, desc=f"validation, {title}", unit="img", leave=False, disable=None)
    return np.concatenate([network.logits(image[np.newaxis]) for image in bar])
