"""Photographs in class-named folders as a data set."""

import os
from pathlib import Path

import numpy as np
import pytest

from finetune.data.dataset import is_dataset, read_split
from finetune.data.passed_over import passed_over
from finetune.data.split import DataError, join_splits
from tests.samples.drawn_flowers import draw_flower


def draw_folders(root: Path, counts: dict[str, int]) -> Path:
    """Draw flowers to ``root/CLASS/N.jpg`` and return ``root``. ``counts``: class → number of pictures."""
    random = np.random.default_rng(0)
    for kind, (name, count) in enumerate(counts.items()):
        (root / name).mkdir(parents=True)
        for number in range(count):
            draw_flower(kind, random, 72).save(root / name / f"{number}.jpg")
    return root


def test_split_of_folders_is_reproducible(tmp_path: Path) -> None:
    data = draw_folders(tmp_path, {"tulip": 20, "aster": 3})
    (data / ".hidden").mkdir()
    (data / "aster" / "notes.txt").write_text("not a photograph")
    for other in ("@eaDir/a.jpg", "#recycle/b.jpg", "aster/._0.jpg"):  # what a storage device or a Mac adds
        (data / other).parent.mkdir(exist_ok=True)
        (data / other).write_bytes((data / "tulip" / "0.jpg").read_bytes())
    assert is_dataset(data)
    splits = {name: read_split(data, name) for name in ("train", "val", "test")}
    assert {name: len(split) for name, split in splits.items()} == {"train": 17, "val": 3, "test": 3}
    assert splits["train"].classes == ("aster", "tulip")
    for split in splits.values():
        assert [path.parent.name for path in split.paths] == [split.classes[label] for label in split.labels]
    paths = [path for split in splits.values() for path in split.paths]
    assert len(set(paths)) == 23
    draw_flower(0, np.random.default_rng(1), 72).save(data / "tulip" / "new.jpg")
    train_with_new_photo = set(read_split(data, "train").paths)
    assert len(train_with_new_photo & set(splits["train"].paths)) >= 15


def test_each_split_may_have_a_folder(tmp_path: Path) -> None:
    for name, count in (("train", 5), ("val", 2)):
        draw_folders(tmp_path / name, {"tulip": count, "aster": count})
    assert [len(read_split(tmp_path, name)) for name in ("train", "val")] == [10, 4]
    with pytest.raises(DataError, match="test: no photographs"):
        read_split(tmp_path, "test")
    draw_folders(tmp_path / "test", {"rose": 2})
    with pytest.raises(DataError, match="rose: this class is not in"):
        read_split(tmp_path, "test")


def test_photographs_may_have_names_that_are_not_utf8_and_classes_not(tmp_path: Path) -> None:
    data = draw_folders(tmp_path, {"tulip": 9, "aster": 9})
    (data / "tulip" / "0.jpg").rename(data / "tulip" / os.fsdecode(b"caf\xe9.jpg"))
    paths = [path for name in ("train", "val", "test") for path in read_split(data, name).paths]
    assert len(set(paths)) == 18
    (data / "aster").rename(data / os.fsdecode(b"caf\xe9"))
    with pytest.raises(DataError, match="not UTF-8; rename the folder"):
        read_split(data, "train")


def test_data_that_cannot_be_split_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="2 photographs cannot be split"):
        read_split(draw_folders(tmp_path / "few", {"tulip": 2, "aster": 9}), "train")
    with pytest.raises(DataError, match="only one class"):
        read_split(draw_folders(tmp_path / "one", {"tulip": 9}), "train")
    (tmp_path / "empty").mkdir()
    assert not is_dataset(tmp_path / "empty")
    with pytest.raises(DataError, match="class-named folders"):
        read_split(tmp_path / "empty", "train")


def test_splits_can_be_joined(tmp_path: Path) -> None:
    data = draw_folders(tmp_path, {"tulip": 10, "aster": 10})
    train, val = read_split(data, "train"), read_split(data, "val")
    both = join_splits([train, val])
    assert both.name == "train+val"
    assert both.paths == train.paths + val.paths
    assert both.labels.tolist() == [*train.labels, *val.labels]


def test_photographs_that_are_in_no_class_are_counted(tmp_path: Path) -> None:
    data = draw_folders(tmp_path, {"tulip": 3, "aster": 3, "tulip/old": 2, "@eaDir/x": 1})
    draw_flower(0, np.random.default_rng(1), 72).save(data / "flat.jpg")
    (data / "aster" / "raw.nef").touch()
    nested, other = passed_over(data, read_split(data, "train").paths[0])
    assert nested.startswith("3 photographs are not directly in a class folder")
    assert f"{data / 'tulip' / 'old'} (2), {data} (1)" in nested
    assert "1 .nef" in other
