"""Warnings about too few photographs, and about photographs that are not those of the training."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from export.stages.evidence import changed_photographs, too_few_photographs
from export.stages.load import ExportInputs
from finetune.data.dataset import read_split
from finetune.data.split import Split
from finetune.network.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from runtime.photos.preprocessing import Preprocessing


def inputs(val: int, of_class: int) -> ExportInputs:
    def split(name: str, labels: list[int]) -> Split:
        paths = tuple(Path(f"{number}.jpg") for number in range(len(labels)))
        return Split(name, paths, np.array(labels), ("a", "b"), len(labels))

    checkpoint = Checkpoint({"w": torch.zeros(1)}, ("a", "b"), Preprocessing(), {}, {}, {}, {})
    return ExportInputs(Path("best.pt"), checkpoint, split("val", [0] * val), None, split("train", [0, 1] * of_class))


@pytest.mark.parametrize(
    ("val", "of_class", "words"),
    [
        (3, 5, ["only 3 validation photographs"]),
        (100, 4, ["2 classes have fewer than 5 training photographs"]),
        (100, 5, []),
    ],
)
def test_too_few_photographs_are_said(val: int, of_class: int, words: list[str]) -> None:
    lines = list(too_few_photographs(inputs(val, of_class)))
    assert len(lines) == len(words)
    assert all(line.startswith(word) for line, word in zip(lines, words, strict=True))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Class folders with their splits, every photograph different."""
    for number in range(18):
        split, label = ("train", "val", "test")[number // 6], "ab"[number % 2]
        path = tmp_path / "data" / split / label / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8), number).save(path)
    return tmp_path / "data"


def trained(data: Path, limit: int | None = None) -> dict[str, Any]:
    """What a checkpoint records of a training on ``data``."""
    splits = {name: read_split(data, name).head(limit) for name in ("train", "val", "test")}
    provenance = {f"{name}_sha256": split.digest() for name, split in splits.items()}
    return {
        "provenance": {**provenance, "train_split": "train", "train_images": len(splits["train"]), "limit": limit},
        "trained_on": splits["train"].fingerprints(),
    }


@pytest.mark.parametrize("limit", [None, 3])
def test_the_photographs_of_the_training_are_recognised(data: Path, limit: int | None) -> None:
    assert list(changed_photographs(data, **trained(data, limit))) == []


def test_new_photographs_are_said_and_are_no_leak(data: Path) -> None:
    record = trained(data)
    Image.new("L", (8, 8), 100).save(data / "test" / "a" / "new.png")
    (line,) = changed_photographs(data, **record)
    assert line.startswith("photographs of test were added")
    assert line.endswith("none of those that are held out now was trained on")
    assert list(changed_photographs(data, **record, names=("val",))) == []


def test_photographs_that_were_trained_on_and_are_held_out_now_are_counted(data: Path) -> None:
    record = trained(data)
    shutil.move(data / "train" / "a" / "0.png", data / "test" / "a" / "moved.png")
    (line,) = changed_photographs(data, **record)
    assert line.startswith("1 of the 7 test photographs were trained on: figures of test are too high")
    # A file of version 0.3 and a model file have only the digests.
    (line,) = changed_photographs(data, record["provenance"])
    assert line.endswith("some that were trained on may be held out now, and figures of them are too high")


def test_checkpoints_without_the_record_load(tmp_path: Path) -> None:
    checkpoint = Checkpoint({"w": torch.zeros(1)}, ("a",), Preprocessing(), {}, {}, {}, {}, trained_on=("00ff",))
    save_checkpoint(checkpoint, tmp_path / "new.pt")
    assert load_checkpoint(tmp_path / "new.pt").trained_on == ("00ff",)
    content = torch.load(tmp_path / "new.pt", weights_only=True)
    del content["trained_on"]
    torch.save(content, tmp_path / "old.pt")
    assert load_checkpoint(tmp_path / "old.pt").trained_on == ()
