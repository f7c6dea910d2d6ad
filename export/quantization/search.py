"""The search for an INT8 network that loses nothing: calibration method, repairs of weights, layers in float.

Everything is decided on validation photographs. Methods and repairs are compared by the divergence of INT8's
probabilities from FP32's. Accuracy is too coarse for that: it depends on the few photographs near a tie. Layers stay in
float only if the best candidate without float layers loses more than it may: as few as reach the goal, in the order of
what each costs.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

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
from export.quantization.sensitivity import NOISE_IMAGES, LayerSensitivity, rank_layers, signal_to_noise
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
    """Empty if a candidate without float layers reached the goal."""


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
    """Find the network with the fewest layers in float that loses at most ``max_drop`` points of top-1.

    Args:
        core: float pixels in, logits out (`export.graph.float_graph.build_float_graph`).
        histograms: of its activations.
        images: validation photographs, uint8, shape (images, size, size, 3).
        labels: int64, shape (images,).
        max_drop: in percentage points.
        report: receives a line about each candidate, and at the end a table of the layers.
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
            f"search   {candidate.title() + ':':28} {0.0 - candidate.drop:+.2f} points, "
            f"same top-1 {candidate.agreement:.2%}, divergence {candidate.divergence:.2g}"
        )
        tried.append(candidate)
        return candidate

    best = min(
        [evaluate(QuantizationSettings(core, method, find_ranges(histograms, method))) for method in METHODS],
        key=lambda candidate: candidate.divergence,
    )
    for repair in (_equalize, _correct_biases):
        best = min(best, evaluate(repair(best, images)), key=lambda candidate: candidate.divergence)
    layers: tuple[LayerSensitivity, ...] = ()
    if best.drop > max_drop:
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
        best = _find_fewest_float_layers(
            lambda count: evaluate(replace(settings, float_layers=order[:count])), len(order), max_drop
        )
    for line in _layer_table(best, layers, images):
        report(line)
    return SearchResult(best, tuple(tried), layers)


def correct_answers(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return which answers are right: bool, shape (images,)."""
    right: np.ndarray = logits.argmax(axis=1) == labels
    return right


def _equalize(best: Candidate, images: np.ndarray) -> QuantizationSettings:
    """Equalize the weights. The activations change, so they are calibrated again."""
    settings = best.settings
    core = equalize_weights(settings.core)
    ranges = find_ranges(collect_histograms(core, [images], len(images)), settings.method)
    return replace(settings, core=core, ranges=ranges, repairs=(*settings.repairs, EQUALIZED))


def _correct_biases(best: Candidate, images: np.ndarray) -> QuantizationSettings:
    settings = best.settings
    corrections = measure_bias_corrections(settings.core, best.model, images)
    return replace(settings, bias_corrections=corrections, repairs=(*settings.repairs, BIAS_CORRECTED))


def _find_fewest_float_layers(evaluate: Callable[[int], Candidate], layers: int, max_drop: float) -> Candidate:
    """Find the candidate with the fewest layers in float that reaches the goal: first doubling, then bisection."""
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


def _layer_table(best: Candidate, layers: Sequence[LayerSensitivity], images: np.ndarray) -> Iterator[str]:
    """The layers, the one that costs most first. Without a ranking, the noisiest first."""
    if layers:
        yield "search   signal to noise   loss gained in float   layer"
        for layer in layers:
            in_float = "   (stays in float)" if layer.layer in best.settings.float_layers else ""
            yield f"search   {layer.signal_to_noise:>12.1f} dB   {layer.loss_gained:>20.5f}   {layer.layer}{in_float}"
    else:
        noise = signal_to_noise(best.settings.core, best.model, images[:NOISE_IMAGES])
        yield "search   signal to noise   layer"
        for name, ratio in sorted(noise.items(), key=lambda pair: pair[1]):
            yield f"search   {ratio:>12.1f} dB   {name}"


def _run(model: onnx.ModelProto, images: np.ndarray, title: str) -> np.ndarray:
    """The logits of ``model``: float32, shape (images, classes)."""
    network = OnnxNetwork(model)
    bar = tqdm(images, desc=f"validation, {title}", unit="img", leave=False, disable=None)
    return np.concatenate([network.logits(image[np.newaxis]) for image in bar])
