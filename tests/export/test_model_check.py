"""``python -m export check``: a file is what its manifest and its metadata say."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from export import check_model
from export.command_line import main
from export.files.output_files import write_together
from tests.samples.drawn_flowers import draw_dataset, draw_flower
from tests.samples.tiny_model import save_tiny_model

FP32, INT8 = "flowers-resnet50-fp32.onnx", "flowers-resnet50-int8.onnx"


@pytest.fixture
def copied(exported: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(exported, tmp_path / "copied"))


def change_metadata(path: Path, **values: Any) -> None:
    """Put ``values`` into the metadata of a file, as JSON."""
    model = onnx.load(path)
    for entry in model.metadata_props:
        key = entry.key.removeprefix("flower_edge.")
        if key in values:
            entry.value = json.dumps(values[key])
    onnx.save(model, path)


def test_an_exported_file_passes(exported: Path, dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(exported / INT8), "--data", str(dataset)]) == 0
    output = capsys.readouterr().out
    assert output.count("ok ") == output.count("\n") == 11
    assert output.count("same top-1 as FP32") == output.count("mean per class") == 2


def test_wrong_accuracy_fails(copied: Path, dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = onnx.load(copied / INT8)
    (recorded,) = (json.loads(entry.value) for entry in model.metadata_props if entry.key == "flower_edge.evaluation")
    recorded["val"]["mean_per_class"] = 101
    recorded["test"]["agreement_with_fp32"] = 0
    recorded["val"]["same_verdict_as_fp32"] = 0
    change_metadata(copied / INT8, evaluation=recorded)
    arguments = ["check", str(copied / INT8), "--data", str(dataset)]
    assert main(arguments) == 1
    failed = [line for line in capsys.readouterr().out.splitlines() if line.startswith("FAILED")]
    assert "mean per class 101" in failed[1]
    assert "same verdict as FP32 0.00 %" in failed[2]
    assert "same top-1 as FP32 0.00 %" in failed[3]
    assert len(failed) == 4
    (copied / FP32).unlink()
    assert main(arguments) == 1
    assert "same top-1" not in capsys.readouterr().out  # without the FP32 file, there is no comparison


def test_other_classes_fail(exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = draw_dataset(tmp_path, classes=5, per_split=(1, 1, 1))
    assert main(["check", str(exported / INT8), "--data", str(other)]) == 1
    output = capsys.readouterr().out
    assert re.search(r"class names are not those of the data set: only in the data set: '[^']+'$", output, re.M)
    assert "accuracy were not checked, because the classes differ" in output


@pytest.mark.parametrize("split", ["val", "test"])
def test_a_class_without_photographs_in_a_split_is_named(split: str, tmp_path: Path) -> None:
    data = tmp_path / "data"
    for name in ("train", "val", "test"):
        for label in ("ash", "birch", "cedar"):
            (data / name / label).mkdir(parents=True)
            draw_flower(1, np.random.default_rng(0), 20).save(data / name / label / "photo.png")
    shutil.rmtree(data / split / "cedar")
    figures = {"images": 3, "top1": 33.33, "top5": 100.0, "mean_per_class": 33.33}
    evaluation = {"val": figures, "test": figures}
    model = save_tiny_model(tmp_path / "a.onnx", classes=("ash", "birch", "cedar"), evaluation=evaluation)
    texts = {finding.text: finding.holds for finding in check_model(model, data)}
    assert texts[f"accuracy on {split}: the file records 3 images, the data set has 2, and none of 'cedar'"] is False
    # Without any photograph of the split, the other split is checked all the same.
    shutil.rmtree(data / split)
    texts = {finding.text: finding.holds for finding in check_model(model, data)}
    assert [holds for text, holds in texts.items() if text.startswith(f"accuracy on {split}: ")] == [False]
    assert [holds for text, holds in texts.items() if "(3 images): recorded" in text] == [True]
    # A model that knows one class more is not measured with labels that mean something else.
    for name in ("train", "val", "test"):
        shutil.rmtree(data / name / "ash", ignore_errors=True)
    texts = {finding.text: finding.holds for finding in check_model(model, data)}
    assert texts["class names are not those of the data set: only in the model: 'ash'"] is False
    assert not any("recorded" in text for text in texts)


def test_metadata_can_hold_any_value(copied: Path, dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (copied / FP32).unlink()
    change_metadata(
        copied / INT8,
        evaluation={"val": {"images": 12, "top1": 100.5}, "test": 1, "else": {"images": "x"}},
        calibration={"split": ["val"], "images": -1},
    )
    assert main(["check", str(copied / INT8), "--data", str(dataset)]) == 1
    captured = capsys.readouterr()
    assert captured.out.count("FAILED") == 5
    assert "5 of the above checks failed" in captured.err


def test_a_file_that_differs_from_the_manifest_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = save_tiny_model(tmp_path / "first").read_bytes()
    write_together(tmp_path / "out", {"flowers-a.onnx": first})
    second = save_tiny_model(tmp_path / "second", architecture="new").read_bytes()
    (tmp_path / "out" / "flowers-a.onnx").write_bytes(second)  # as after a kill before the manifest is renamed
    assert main(["check", str(tmp_path / "out" / "flowers-a.onnx"), "--data", str(tmp_path / "none")]) == 1
    assert "the export was interrupted; export it again" in capsys.readouterr().out


def test_data_that_was_named_must_be_there(exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(exported / INT8), "--data", str(tmp_path / "none")]) == 1
    captured = capsys.readouterr()
    assert "skipped" in captured.out
    assert "no such folder" in captured.err


def test_python_interface_yields_findings(tmp_path: Path) -> None:
    findings = list(check_model(save_tiny_model(tmp_path / "tiny.onnx"), tmp_path / "none"))
    assert [finding.holds for finding in findings] == [True, False, False, None]
