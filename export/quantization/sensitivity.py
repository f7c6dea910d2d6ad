"""Where INT8 loses accuracy: the noise of each layer's output, and the loss gained if a layer stays in float."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from tqdm import tqdm

from export.confidence.temperature import cross_entropy
from export.graph.byte_input import with_byte_input
from export.graph.networks import OnnxNetwork
from export.quantization.activations import ActivationReader
from export.quantization.int8 import layers_of, quantize
from export.quantization.ranges import ActivationRanges
from finetune.data.split import spread_evenly

NOISE_IMAGES = 16
"""Photographs behind a signal-to-noise ratio, spread evenly over those given."""
LOSS_IMAGES = 128
"""Photographs behind a loss, spread evenly over those given."""
NOISE_SLICE = 2
"""Photographs at a time. The ratio of a layer is the mean over slices of this size."""
SMALLEST_NORM = float(np.finfo(np.float64).eps)
"""Keeps a ratio finite where signal or noise is 0."""


@dataclass(frozen=True)
class LayerSensitivity:
    """The share of one layer in what INT8 loses."""

    layer: str
    signal_to_noise: float
    """Of the layer's output in the INT8 network against the float network, in decibels."""
    loss_gained: float
    """By how much the cross-entropy falls, in nats, if this layer alone stays in float. Below 0, it rises."""


def rank_layers(
    core: onnx.ModelProto,
    ranges: ActivationRanges,
    images: np.ndarray,
    labels: np.ndarray,
    *,
    tensorrt: bool = False,
    bias_corrections: Mapping[str, np.ndarray] | None = None,
) -> list[LayerSensitivity]:
    """Return all layers, the one that costs most first.

    Args:
        core: float pixels in, logits out (`export.graph.float_graph.build_float_graph`).
        ranges: of the activations.
        images: uint8, shape (images, size, size, 3); up to `LOSS_IMAGES` of them are used.
        labels: int64, shape (images,).
        tensorrt: the form of the INT8 network (`export.quantization.int8.quantize`).
        bias_corrections: see `export.quantization.int8.quantize`.
    """

    def quantized(float_layers: Sequence[str] = ()) -> onnx.ModelProto:
        return quantize(core, ranges, float_layers=float_layers, tensorrt=tensorrt, bias_corrections=bias_corrections)

    noise = signal_to_noise(core, quantized(), images)
    chosen = spread_evenly(len(images), LOSS_IMAGES)
    images, labels = images[chosen], labels[chosen]

    def loss(float_layers: Sequence[str]) -> float:
        network = OnnxNetwork(with_byte_input(quantized(float_layers), use_cast=tensorrt))
        return cross_entropy(np.concatenate([network.logits(image[np.newaxis]) for image in images]), labels)

    int8_loss = loss(())
    layers = [
        LayerSensitivity(layer, noise[layer], int8_loss - loss((layer,)))
        for layer in tqdm(layers_of(core), desc="sensitivity", unit="layer", disable=None)
    ]
    return sorted(layers, key=lambda layer: -layer.loss_gained)


def signal_to_noise(core: onnx.ModelProto, int8: onnx.ModelProto, images: np.ndarray) -> dict[str, float]:
    """Return for each layer the ratio of its output's norm to the norm of its error in ``int8``, in decibels.

    The output is taken after the ReLU that follows, if there is one, and in the INT8 network after rounding. An output
    that is not rounded (the logits) is compared as it is.

    Args:
        core: the float network.
        int8: made from ``core`` by `export.quantization.int8.quantize`.
        images: uint8, shape (images, size, size, 3); up to `NOISE_IMAGES` of them are used.
    """
    images = images[spread_evenly(len(images), NOISE_IMAGES)]
    after_relu = {node.input[0]: node.output[0] for node in core.graph.node if node.op_type == "Relu"}
    rounded_names = _rounded_names(int8)
    layers = set(layers_of(core))
    names: dict[str, tuple[str, str]] = {}
    for node in core.graph.node:
        if node.name in layers:
            output = after_relu.get(node.output[0], node.output[0])
            if output in rounded_names:
                names[node.name] = output, rounded_names[output]
            else:
                names[node.name] = node.output[0], node.output[0]
    float_reader = ActivationReader(core, {float_name for float_name, _ in names.values()})
    int8_reader = ActivationReader(int8, {int8_name for _, int8_name in names.values()})
    ratios: dict[str, list[float]] = {layer: [] for layer in names}
    for start in range(0, len(images), NOISE_SLICE):
        part = images[start : start + NOISE_SLICE]
        exact, rounded = float_reader.read(part), int8_reader.read(part)
        for layer, (float_name, int8_name) in names.items():
            ratios[layer].append(decibels(exact[float_name], rounded[int8_name]))
    return {layer: float(np.mean(values)) for layer, values in ratios.items()}


def decibels(exact: np.ndarray, rounded: np.ndarray) -> float:
    """Return the signal-to-noise ratio of ``rounded``: 20 · log10(norm of ``exact`` / norm of the difference)."""
    signal = max(float(np.linalg.norm(exact)), SMALLEST_NORM)
    noise = max(float(np.linalg.norm(exact - rounded)), SMALLEST_NORM)
    return 20 * math.log10(signal / noise)


def _rounded_names(int8: onnx.ModelProto) -> dict[str, str]:
    """Activation → the name of its value after QuantizeLinear and DequantizeLinear."""
    quantized = {node.input[0]: node.output[0] for node in int8.graph.node if node.op_type == "QuantizeLinear"}
    dequantized = {node.input[0]: node.output[0] for node in int8.graph.node if node.op_type == "DequantizeLinear"}
    return {name: dequantized[output] for name, output in quantized.items() if output in dequantized}
