"""Probabilities that mean something."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from export.command_line.main import main as export
from export.confidence import expected_calibration_error, fit_threshold
from export.files.manifest import read_manifest
from runtime import FlowerClassifier
from runtime.answer import softmax
from runtime.files.digest import file_digest
from tests.samples.tiny_model import save_tiny_model


def test_the_threshold_lets_nineteen_of_twenty_flowers_pass() -> None:
    logits = np.random.default_rng(0).normal(size=(1000, 10)).astype(np.float32) * 4
    threshold = fit_threshold(logits, 2.0)
    passing = (softmax(logits / np.float32(2.0)).max(axis=1) >= threshold).mean()
    assert 0.95 <= passing <= 0.952
    assert fit_threshold(logits, 1.0) > threshold  # of surer probabilities


def test_the_calibration_error_is_the_gap_between_promise_and_truth() -> None:
    labels = np.array([0] * 8 + [1] * 2)
    sure = np.tile([0.8, 0.2], (10, 1))
    assert expected_calibration_error(sure, labels) == pytest.approx(0)
    assert expected_calibration_error(np.tile([1.0, 0.0], (10, 1)), labels) == pytest.approx(0.2)
    half = np.concatenate([np.tile([1.0, 0.0], (5, 1)), np.tile([0.6, 0.4], (5, 1))])
    assert expected_calibration_error(half, labels) == pytest.approx(0)  # 5 of 5 and 3 of 5


def test_a_finished_file_is_given_another_threshold_and_keeps_its_network(tmp_path: Path) -> None:
    model = tmp_path / "first" / "tiny.onnx"
    assert export(["--model", str(save_tiny_model(tmp_path / "tiny.onnx")), "--threshold", "0.5", "--output",
                   str(model.parent)]) == 0  # fmt: skip
    assert export(["--model", str(model), "--threshold", "0.25", "--output", str(tmp_path / "new")]) == 0
    changed = tmp_path / "new" / "tiny.onnx"
    info = FlowerClassifier(changed).info
    assert (info.threshold, info.temperature) == (0.25, FlowerClassifier(model).info.temperature)
    before, after = (onnx.load(path).graph.SerializeToString(deterministic=True) for path in (model, changed))
    assert before == after
    assert read_manifest(tmp_path / "new") == {"tiny.onnx": file_digest(changed)}
    for wrong in (["--threshold", "2"], ["--target", "cuda", "--threshold", "0.1"], []):
        assert export(["--model", str(model), *wrong]) == 1
