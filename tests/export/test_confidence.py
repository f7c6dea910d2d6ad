"""Temperature, threshold, and changing both in a finished file."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from export import ExportError, update_metadata
from export.command_line import main
from export.confidence import cross_entropy, expected_calibration_error, fit_temperature, fit_threshold
from export.files.manifest import read_manifest
from runtime import FlowerClassifier
from runtime.answer import softmax
from runtime.files.digest import file_digest
from tests.samples.tiny_model import save_tiny_model


def test_temperature_has_the_least_cross_entropy() -> None:
    random = np.random.default_rng(0)
    logits = 3 * random.standard_normal((4000, 10))
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = (probabilities.cumsum(axis=1) > random.random((4000, 1))).argmax(axis=1)
    assert fit_temperature(logits, labels) == pytest.approx(1, abs=0.05)
    assert fit_temperature(logits * 4, labels) == pytest.approx(4, rel=0.05)
    assert cross_entropy(np.zeros((5, 10)), np.arange(5)) == pytest.approx(np.log(10))


def test_nineteen_of_twenty_flowers_reach_the_threshold() -> None:
    logits = np.random.default_rng(0).normal(size=(1000, 10)).astype(np.float32) * 4
    threshold = fit_threshold(logits, 2.0)
    reached = (softmax(logits / np.float32(2.0)).max(axis=1) >= threshold).mean()
    assert 0.95 <= reached <= 0.952
    assert fit_threshold(logits, 1.0) > threshold  # a lower temperature gives higher probabilities


def test_expected_calibration_error_is_the_gap_between_probability_and_accuracy() -> None:
    labels = np.array([0] * 8 + [1] * 2)
    calibrated = np.tile([0.8, 0.2], (10, 1))
    assert expected_calibration_error(calibrated, labels) == pytest.approx(0)
    assert expected_calibration_error(np.tile([1.0, 0.0], (10, 1)), labels) == pytest.approx(0.2)
    two_bins = np.concatenate([np.tile([1.0, 0.0], (5, 1)), np.tile([0.6, 0.4], (5, 1))])
    assert expected_calibration_error(two_bins, labels) == pytest.approx(0)  # 5 of 5 and 3 of 5


def test_metadata_changes_and_the_network_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = update_metadata(save_tiny_model(tmp_path / "tiny.onnx"), output=tmp_path / "first", threshold=0.5)
    assert main(["metadata", str(model), "--threshold", "0.25", "--output", str(tmp_path / "new")]) == 0
    changed = tmp_path / "new" / "tiny.onnx"
    assert capsys.readouterr().out == f"{changed}\n"
    info = FlowerClassifier(changed).info
    assert (info.threshold, info.temperature) == (0.25, FlowerClassifier(model).info.temperature)
    before, after = (onnx.load(path).graph.SerializeToString(deterministic=True) for path in (model, changed))
    assert before == after
    assert read_manifest(tmp_path / "new") == {"tiny.onnx": file_digest(changed)}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--threshold", "2"], "threshold 2.0: must be 0 to 1"),
        (["--temperature", "0"], "temperature 0.0: must be 0.01 to 100"),
        ([], "nothing to change"),
    ],
)
def test_wrong_changes_of_metadata_are_rejected(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = save_tiny_model(tmp_path / "tiny.onnx")
    before = model.read_bytes()
    assert main(["metadata", str(model), *arguments]) == 1
    assert message in capsys.readouterr().err
    assert model.read_bytes() == before


def test_python_interface_raises_export_errors(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="nothing to change"):
        update_metadata(save_tiny_model(tmp_path / "tiny.onnx"))
