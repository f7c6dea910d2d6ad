"""Where INT8 loses: for each layer, how noisy its output is and what the loss would gain if it stayed in float."""

import math
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnxruntime.quantization.calibrate import TensorsData
from onnxruntime.quantization.qdq_loss_debug import (
    collect_activations,
    compute_activation_error,
    create_activation_matching,
    modify_model_output_intermediate_tensors,
)
from tqdm import tqdm

from export.confidence import cross_entropy
from export.graph.byte_input import with_byte_input
from export.graph.networks import OnnxNetwork
from export.quantization.histograms import SingleBatchReader
from export.quantization.int8 import layers_of, quantize

NOISE_IMAGES, LOSS_IMAGES = 16, 128
"""Photographs behind each figure: the first few of those given."""
NOISE_SLICE = 2
"""Photographs at a time: every activation of both networks is kept for them."""


@dataclass(frozen=True)
class Sensitivity:
    """One layer's part in what INT8 loses."""

    layer: str
    signal_to_noise: float
    """Of the layer's output in the INT8 network against the same in float, in decibels."""
    loss_gained: float
    """How much the cross-entropy falls if this layer alone stays in float; below 0, it rises."""


def rank_layers(
    core: onnx.ModelProto,
    ranges: TensorsData,
    images: np.ndarray,
    labels: np.ndarray,
    tensorrt: bool = False,
    errors: Mapping[str, np.ndarray] | None = None,
) -> list[Sensitivity]:
    """All layers, the one that costs most first.

    Args:
        core: float pixels in, logits out (`export.graph.float_graph.build_float_graph`).
        ranges: of the activations.
        images: uint8, shape (images, size, size, 3).
        labels: int64, shape (images,).
        tensorrt: the form that the network is quantized in.
        errors: of the biases (`export.quantization.bias_correction.bias_errors`).
    """

    def rounded(keep: Sequence[str] = ()) -> onnx.ModelProto:
        return quantize(core, ranges, keep=keep, tensorrt=tensorrt, errors=errors)

    noise = signal_to_noise(core, rounded(), images[:NOISE_IMAGES])
    images, labels = images[:LOSS_IMAGES], labels[:LOSS_IMAGES]

    def loss(keep: Sequence[str]) -> float:
        network = OnnxNetwork(with_byte_input(rounded(keep), plain=tensorrt))
        return cross_entropy(np.concatenate([network.logits(image[np.newaxis]) for image in images]), labels)

    whole = loss(())
    found = [
        Sensitivity(layer, noise[layer], whole - loss((layer,)))
        for layer in tqdm(layers_of(core), desc="sensitivity", unit="layer", disable=None)
    ]
    return sorted(found, key=lambda layer: -layer.loss_gained)


def signal_to_noise(core: onnx.ModelProto, int8: onnx.ModelProto, images: np.ndarray) -> dict[str, float]:
    """For each layer, the ratio of its output's power to that of its error in the ``int8`` network, in decibels.

    By onnxruntime's own comparison of activations, where INT8 has rounded them: past the ReLU, if one follows.
    """
    after = {node.input[0]: node.output[0] for node in core.graph.node if node.op_type == "Relu"}
    outputs = {node.name: node.output[0] for node in core.graph.node if node.name in layers_of(core)}
    ratios: dict[str, list[float]] = {layer: [] for layer in outputs}
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for name, model in (("float", core), ("int8", int8)):
            plain, watched = Path(folder, f"{name}.onnx"), Path(folder, f"{name}-watched.onnx")
            onnx.save(model, plain)
            modify_model_output_intermediate_tensors(plain, watched)
            paths.append(str(watched))
        for start in range(0, len(images), NOISE_SLICE):
            exact, rounded = (
                collect_activations(p, SingleBatchReader(images[start : start + NOISE_SLICE])) for p in paths
            )
            errors = compute_activation_error(create_activation_matching(rounded, exact))
            for layer, output in outputs.items():
                error = errors.get(after.get(output, output), {}).get("xmodel_err")
                if error is None:  # the head answers in float: nothing of it is rounded, and all errors arrive there
                    error = _decibels(np.stack(exact[output]), np.stack(rounded[output]))
                ratios[layer].append(error)
    return {layer: float(np.mean(values)) for layer, values in ratios.items()}


def _decibels(exact: np.ndarray, rounded: np.ndarray) -> float:
    error = max(float(np.linalg.norm(exact - rounded)), 1e-12)
    return 20 * math.log10(float(np.linalg.norm(exact)) / error)
