"""Temperature, cuts, the expected share of names, and changing the metadata of a finished file."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from export import ExportError, update_metadata
from export.command_line import main
from export.confidence.cuts import expected_share, fit_cuts, named, verdicts
from export.confidence.temperature import cross_entropy, expected_calibration_error, fit_temperature
from export.files.manifest import read_manifest
from runtime import FlowerClassifier
from runtime.answers.answer import AnswerRule, softmax
from runtime.files.digest import file_digest
from runtime.inference.model_file import Cuts, ModelInfo
from runtime.inference.session import Outputs
from runtime.photos.preprocessing import Preprocessing
from tests.samples.tiny_model import save_tiny_model


def test_temperature_has_the_least_cross_entropy() -> None:
    random = np.random.default_rng(0)
    logits = 3 * random.standard_normal((4000, 10))
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = (probabilities.cumsum(axis=1) > random.random((4000, 1))).argmax(axis=1)
    assert fit_temperature(logits, labels) == pytest.approx(1, abs=0.05)
    assert fit_temperature(logits * 4, labels) == pytest.approx(4, rel=0.05)
    # Twelve photographs that are all right do not make every probability 100 %.
    few = np.eye(6)[np.arange(12) % 6]
    best = softmax(few / np.float32(fit_temperature(few, np.arange(12) % 6))).max(axis=1)
    assert best == pytest.approx(13 / 14, abs=0.01)
    assert cross_entropy(np.zeros((5, 10)), np.arange(5)) == pytest.approx(np.log(10))


@pytest.mark.parametrize("share", [0.95, 0.8])
def test_the_promised_share_of_flowers_gets_a_name(share: float) -> None:
    random = np.random.default_rng(0)
    logits = random.normal(size=(1000, 10)).astype(np.float32) * 4
    familiarity = random.random(1000, np.float32)
    without = Outputs(logits, None)
    assert share <= named(without, 2.0, fit_cuts(without, 2.0, share)).mean() <= share + 0.002
    both = Outputs(logits, familiarity)
    cuts = fit_cuts(both, 2.0, share)
    assert share <= named(both, 2.0, cuts).mean() <= share + 0.02
    assert set(verdicts(both, 2.0, cuts)) == {"name", "between", "unfamiliar"}


def test_verdicts_of_an_export_are_those_of_the_runtime() -> None:
    random = np.random.default_rng(1)
    outputs = Outputs(random.normal(size=(200, 5)).astype(np.float32), random.random(200, np.float32))
    rule = AnswerRule(ModelInfo(tuple("abcde"), Preprocessing(), temperature=0.7), min_probability=0.6)
    rule.cuts = Cuts(0.6, 0.25)
    expected = [answer.verdict for answer in rule.answers(outputs, 1)]
    assert list(verdicts(outputs, 0.7, rule.cuts)) == expected
    assert len(set(expected)) == 3


def test_the_expected_share_has_an_honest_interval() -> None:
    share = expected_share(969, 1020, cuts=1)
    assert 0.93 < share.low < share.expected < 0.95 < share.high < 0.97
    few = expected_share(10, 10, cuts=1)
    assert few.expected == pytest.approx(10 / 11)
    assert few.low < 0.75


@pytest.mark.parametrize("photographs", [20, 60, 200])
@pytest.mark.parametrize("cuts", [1, 2])
def test_new_photographs_pass_as_often_as_promised(photographs: int, cuts: int) -> None:
    random = np.random.default_rng(photographs)

    def draw(count: int) -> Outputs:
        return Outputs(random.normal(size=(count, 3)).astype(np.float32), random.random(count, np.float32))

    covered = 0
    for _ in range(200):
        fitted, new = draw(photographs), draw(2000)
        if cuts == 1:
            fitted, new = (Outputs(outputs.logits, None) for outputs in (fitted, new))
        limits = fit_cuts(fitted, 1.0)
        share = expected_share(int(named(fitted, 1.0, limits).sum()), photographs, cuts=cuts)
        covered += share.low <= named(new, 1.0, limits).mean() <= share.high
    assert covered >= 180  # of a 95 % interval, 190 are expected


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
    ("arguments", "noted"),
    [
        (["--temperature", "0.5"], True),
        (["--temperature", "0.5", "--threshold", "0.4"], False),
        (["--temperature", "1"], False),
        (["--threshold", "0.4"], False),
    ],
)
def test_a_threshold_that_stays_with_another_temperature_is_noted(
    arguments: list[str], noted: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = save_tiny_model(tmp_path / "tiny.onnx", temperature=1.0, threshold=0.6, strict=Cuts(0.8, 0.0))
    assert main(["metadata", str(model), *arguments]) == 0
    captured = capsys.readouterr()
    assert captured.out == f"{model}\n"
    expected = "the threshold 0.6 (strict: 0.8) stays, but was fitted with the temperature 1: with 0.5, other"
    assert (expected in captured.err) == noted


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--threshold", "2"], "threshold 2.0: must be 0 to 1"),
        (["--temperature", "0"], "temperature 0.0: must be 0.01 to 100"),
        (["--familiarity-threshold", "2"], "familiarity-threshold 2.0: must be 0 to 1"),
        (["--familiarity-threshold", "0.5"], "has no familiarity"),
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
