"""Other flowers, other people: photographs in class-named folders go the whole road."""

import json
from pathlib import Path

import pytest

from export.command_line import main as export
from finetune.command_line import main as finetune
from finetune.data.dataset import read_split
from finetune.network.checkpoint import load_checkpoint
from runtime.command_line.flower_infer import main as flower_infer
from tests.finetune.test_class_folders import draw_folders
from tests.samples.schedule import SHORT


def test_folders_go_from_photographs_to_an_answer(
    weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = draw_folders(tmp_path / "my-plants", {"tulip": 12, "aster": 12, "sea-holly": 12})
    output = tmp_path / "run"
    assert finetune(["--data", str(data), "--weights", str(weights), "--output", str(output), *SHORT]) == 0
    checkpoint = load_checkpoint(output / "best.pt")
    assert checkpoint.classes == ("aster", "sea-holly", "tulip")
    assert checkpoint.provenance["dataset"] == "my-plants"
    arguments = ["--checkpoint", str(output / "best.pt"), "--data", str(data), "--calibrate", "minmax"]
    assert export([*arguments, "--max-drop", "100"]) == 0  # of so few photographs, one is many points
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("data     only ") and "validation photographs" in line for line in lines)
    assert not any("since the training" in line or "trained on:" in line for line in lines)
    photo = next((data / "tulip").iterdir())
    assert flower_infer(["--model", str(output / "my-plants-resnet50-int8.onnx"), "--json", str(photo)]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert {entry["label"] for entry in answer["predictions"]} == {"aster", "sea-holly", "tulip"}


def test_all_labelled_photographs_can_be_trained_on(
    weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = draw_folders(tmp_path / "data", {"tulip": 12, "aster": 12})
    arguments = ["--data", str(data), "--weights", str(weights), "--output", str(tmp_path / "run"), *SHORT]
    assert finetune([*arguments, "--splits", "train,val", "--tensorboard"]) == 0
    assert "val" not in capsys.readouterr().out.split("train+val")[1].splitlines()[0]
    checkpoint = load_checkpoint(tmp_path / "run" / "best.pt")
    assert checkpoint.metrics["epoch"] == 2
    assert checkpoint.metrics["val_images"] == 0
    assert checkpoint.provenance["train_split"] == "train+val"
    assert checkpoint.provenance["train_images"] == sum(len(read_split(data, name)) for name in ("train", "val"))
    assert not any("val_top1" in line for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines())
    assert list((tmp_path / "run" / "tensorboard").iterdir())
