"""Quantization, sensitivity and search, on a network of three layers."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from export.graph.networks import OnnxNetwork
from export.quantization.activations import ActivationReader
from export.quantization.histograms import Histogram, Histograms
from export.quantization.int8 import layers_of, quantize
from export.quantization.ranges import METHODS, find_ranges
from export.quantization.search import _in_words, search
from export.quantization.sensitivity import NOISE_IMAGES, decibels, rank_layers, signal_to_noise
from export.verification.comparison import divergence
from tests.export.small_networks import CLASSES, SIZE, THREE_LAYERS


def test_a_layer_can_stay_in_float(core: onnx.ModelProto, histograms: Histograms) -> None:
    assert layers_of(core) == THREE_LAYERS
    for tensorrt in (False, True):
        model = quantize(core, find_ranges(histograms, "minmax"), float_layers=["second"], tensorrt=tensorrt)
        names = {tensor.name for tensor in model.graph.initializer}
        assert "w2" in names
        assert not {"w1", "w3"} & names


def test_search_stops_at_the_goal(core: onnx.ModelProto, histograms: Histograms, images: np.ndarray) -> None:
    labels = np.zeros(len(images), np.int64)
    lines: list[str] = []
    result = search(core, histograms, images, labels, 100.0, lines.append)
    assert result.best.settings.float_layers == ()
    assert result.layers == ()
    assert [candidate.title() for candidate in result.tried][: len(METHODS)] == list(METHODS)
    assert len(result.tried) == len(METHODS) + 2  # equalization and bias correction
    assert sum("divergence" in line for line in lines) == len(result.tried)
    assert len(lines) == len(result.tried)
    assert sorted(result.layers_to_metadata()) == sorted(THREE_LAYERS)
    assert result.best.divergence == min(candidate.divergence for candidate in result.tried)


def test_search_puts_all_layers_in_float_if_the_goal_is_out_of_reach(
    core: onnx.ModelProto, histograms: Histograms, images: np.ndarray
) -> None:
    labels = np.zeros(len(images), np.int64)
    lines: list[str] = []
    result = search(core, histograms, images, labels, -101.0, lines.append)
    assert sorted(result.best.settings.float_layers) == sorted(THREE_LAYERS)
    assert result.best.drop == 0
    assert result.best.divergence < 1e-6
    assert sorted(layer.layer for layer in result.layers) == sorted(THREE_LAYERS)
    assert [line.split()[4].strip(",") for line in lines if "stays in float" in line] == [
        layer.layer for layer in result.layers
    ]
    assert result.layers_to_metadata()[result.layers[0].layer].keys() == {"signal_to_noise", "loss_gained"}


def test_the_tensorrt_form_is_searched_with_symmetric_ranges(
    core: onnx.ModelProto, histograms: Histograms, images: np.ndarray
) -> None:
    labels = np.zeros(len(images), np.int64)
    result = search(core, histograms, images, labels, 100.0, lambda line: None, tensorrt=True)
    for candidate in result.tried:
        assert all(low == -high for low, high in candidate.settings.ranges.values())


@pytest.mark.parametrize(
    ("drop", "words"), [(-6.25, "top-1 6.25 points better"), (0.5, "top-1 0.50 points worse"), (-1e-9, "top-1 as FP32")]
)
def test_a_candidate_is_better_or_worse_than_fp32_in_words(drop: float, words: str) -> None:
    assert _in_words(drop) == words


def test_noise_and_losses_are_measured_on_photographs_of_all_classes(
    core: onnx.ModelProto, histograms: Histograms, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The photographs are in the order of their classes; the grey level of each is its class."""
    classes, of_each = 34, 8
    labels = np.repeat(np.arange(classes), of_each)
    images = np.broadcast_to(labels[:, None, None, None].astype(np.uint8), (len(labels), SIZE, SIZE, 3))
    read, classified = set[int](), set[int]()
    read_activations, logits_of_batch = ActivationReader.read, OnnxNetwork.logits

    def read_and_note(reader: ActivationReader, batch: np.ndarray) -> dict[str, np.ndarray]:
        read.update(batch[:, 0, 0, 0].tolist())
        return read_activations(reader, batch)

    def classify_and_note(network: OnnxNetwork, batch: np.ndarray) -> np.ndarray:
        classified.update(batch[:, 0, 0, 0].tolist())
        return logits_of_batch(network, batch)

    monkeypatch.setattr(ActivationReader, "read", read_and_note)
    monkeypatch.setattr(OnnxNetwork, "logits", classify_and_note)
    rank_layers(core, find_ranges(histograms, "minmax"), images, labels % CLASSES)
    assert len(read) == NOISE_IMAGES
    assert len(classified) == classes


def test_the_layer_with_a_wrong_range_is_the_noisiest(
    core: onnx.ModelProto, histograms: Histograms, images: np.ndarray
) -> None:
    too_narrow = dict(histograms)
    too_narrow["r2"] = Histogram(histograms["r2"].counts, histograms["r2"].edges, 0.0, 0.01 * histograms["r2"].high)
    labels = np.random.default_rng(2).integers(0, CLASSES, len(images))
    ranked = {layer.layer: layer for layer in rank_layers(core, find_ranges(too_narrow, "minmax"), images, labels)}
    assert min(ranked.values(), key=lambda layer: layer.signal_to_noise).layer in ("second", "head")
    assert ranked["first"].signal_to_noise > 20 > ranked["second"].signal_to_noise


@pytest.mark.parametrize("tensorrt", [False, True])
def test_signal_to_noise_is_that_of_onnxruntime(
    tensorrt: bool, core: onnx.ModelProto, histograms: Histograms, images: np.ndarray, tmp_path: Path
) -> None:
    debug = pytest.importorskip("onnxruntime.quantization.qdq_loss_debug")
    int8 = quantize(core, find_ranges(histograms, "mse"), tensorrt=tensorrt)
    activations = []
    pixels = images[:2].transpose(0, 3, 1, 2).astype(np.float32) - 115
    for name, model in (("float", core), ("int8", int8)):
        onnx.save(model, tmp_path / name)
        debug.modify_model_output_intermediate_tensors(tmp_path / name, tmp_path / f"{name}-all")
        activations.append(debug.collect_activations(str(tmp_path / f"{name}-all"), iter([{"pixels": pixels}])))
    exact, rounded = activations
    errors = debug.compute_activation_error(debug.create_activation_matching(rounded, exact))
    noise = signal_to_noise(core, int8, images[:2])
    expected = {
        "first": errors["r1"]["xmodel_err"],
        "second": errors["r2"]["xmodel_err"],
        "head": decibels(exact["logits"][0], rounded["logits"][0]),
    }
    assert noise == pytest.approx(expected, rel=1e-6)  # onnxruntime divides in float32


def test_divergence_of_equal_probabilities_is_zero() -> None:
    logits = np.random.default_rng(3).standard_normal((6, CLASSES))
    assert divergence(logits, logits + 3) == pytest.approx(0, abs=1e-12)
    assert divergence(logits, -logits) > 0.1
