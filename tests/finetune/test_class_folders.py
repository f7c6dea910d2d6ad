"""Photographs in class-named folders as a data set."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetune.data.class_table import class_table
from finetune.data.dataset import is_dataset, read_split
from finetune.data.hash_split import _places_by_split
from finetune.data.passed_over import passed_over
from finetune.data.photo_check import copies
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
    assert {name: len(split) for name, split in splits.items()} == {"train": 15, "val": 4, "test": 4}
    assert splits["train"].classes == ("aster", "tulip")
    for split in splits.values():
        assert [path.parent.name for path in split.paths] == [split.classes[label] for label in split.labels]
    paths = [path for split in splits.values() for path in split.paths]
    assert len(set(paths)) == 23


def test_each_split_may_have_a_folder(tmp_path: Path) -> None:
    for name, count in (("train", 5), ("val", 2)):
        draw_folders(tmp_path / name, {"tulip": count, "aster": count})
    assert [len(read_split(tmp_path, name)) for name in ("train", "val")] == [10, 4]
    with pytest.raises(DataError, match=r"test: no photographs.* The folders there are train, val$"):
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


@pytest.mark.parametrize("name", ["a\nb", "a\x1b[31mb", "a\u2028b"])
def test_names_of_classes_that_break_tables_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has control characters; rename the folder") as caught:
        read_split(draw_folders(tmp_path, {name: 3, "b": 3}), "train")
    assert str(caught.value).isprintable()


def test_folders_of_mistyped_splits_are_named(tmp_path: Path) -> None:
    data = draw_folders(tmp_path, {f"{split}/{label}": 2 for split in ("train", "val", "holdout") for label in "ab"})
    (line,) = passed_over(data)
    assert line.startswith("4 photographs are not used")
    assert f"{data / 'holdout' / 'a'} (2)" in line


def test_copies_in_two_splits_or_two_classes_are_said(tmp_path: Path) -> None:
    data = draw_folders(tmp_path, {f"{split}/{label}": 2 for split in ("train", "val") for label in "ab"})
    assert list(copies([read_split(data, "train"), read_split(data, "val")])) == []
    shutil.copy(data / "train" / "a" / "0.jpg", data / "val" / "b" / "copy.jpg")
    split, label = copies([read_split(data, "train"), read_split(data, "val")])
    assert split.startswith("1 photographs of val are copies of photographs of another split")
    assert label.startswith("1 photographs are in two classes, for example ")


def test_data_that_cannot_be_split_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"too few different photographs \(2\)"):
        read_split(draw_folders(tmp_path / "few", {"tulip": 2, "aster": 9}), "train")
    with pytest.raises(DataError, match="only one class"):
        read_split(draw_folders(tmp_path / "one", {"tulip": 9}), "train")
    (tmp_path / "empty").mkdir()
    assert not is_dataset(tmp_path / "empty")
    with pytest.raises(DataError, match="no data set, and no photographs"):
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
    nested, other = passed_over(data)
    assert nested.startswith("3 photographs are not used, because they are not directly in the folder of a class:")
    assert f"{data / 'tulip' / 'old'} (2), {data} (1)" in nested
    assert "1 .nef" in other


def test_adding_or_renaming_photographs_moves_no_other_one(tmp_path: Path) -> None:
    data = draw_folders(tmp_path, {"tulip": 40, "aster": 40})
    before = {path: name for name in ("train", "val", "test") for path in read_split(data, name).paths}
    random = np.random.default_rng(1)
    for number in range(15):
        draw_flower(0, random, 72).save(data / "tulip" / f"new-{number}.jpg")
    (data / "tulip" / "0.jpg").unlink()
    (data / "tulip" / "1.jpg").rename(data / "tulip" / "another name.jpg")
    shutil.copy(data / "aster" / "3.jpg", data / "aster" / "copy of 3.jpg")
    after = {path: name for name in ("train", "val", "test") for path in read_split(data, name).paths}
    assert {path: after[path] for path in before if path in after} == {
        path: name for path, name in before.items() if path in after
    }
    assert after[data / "tulip" / "another name.jpg"] == before[data / "tulip" / "1.jpg"]
    assert after[data / "aster" / "copy of 3.jpg"] == after[data / "aster" / "3.jpg"]
    assert {list(after.values()).count(name) for name in ("val", "test")} <= set(range(4, 25))


@given(st.sets(st.floats(0, 1, exclude_max=True), min_size=3, max_size=40))
def test_each_split_of_a_class_has_a_photograph(places: set[float]) -> None:
    splits = _places_by_split(places)
    assert set(splits) == {"train", "val", "test"}
    assert all(splits.values())
    assert sorted(place for split in splits.values() for place in split) == sorted(places)


def test_names_of_split_folders_are_understood_or_refused(tmp_path: Path) -> None:
    data = draw_folders(tmp_path, {f"{split}/{label}": 3 for split in ("Train", "valid", "TEST") for label in "ab"})
    assert [len(read_split(data, name)) for name in ("train", "val", "test")] == [6, 6, 6]
    draw_folders(data, {"c": 1})
    with pytest.raises(DataError, match="photographs of a class beside"):
        read_split(data, "train")
    shutil.rmtree(data / "c")
    draw_folders(data, {"val/a": 1})
    with pytest.raises(DataError, match="both are the split val"):
        read_split(data, "train")
    with pytest.raises(DataError, match="a split without a folder train"):
        read_split(draw_folders(tmp_path / "other", {"val/a": 1, "a": 3, "b": 3}), "val")
    with pytest.raises(DataError, match="named after a split"):
        read_split(draw_folders(tmp_path / "third", {"val": 3, "a": 3, "b": 3}), "val")


def test_two_forms_of_an_umlaut_are_one_class(tmp_path: Path) -> None:
    data = draw_folders(tmp_path, {"G\u00e4nsebl\u00fcmchen": 3, "Ga\u0308nseblu\u0308mchen": 3, "Rose": 3})
    train = read_split(data, "train")
    assert train.classes == ("G\u00e4nsebl\u00fcmchen", "Rose")
    draw_folders(data, {"rose": 3})
    with pytest.raises(DataError, match="differ only in case"):
        read_split(data, "train")


def test_table_of_classes(tmp_path: Path) -> None:
    data = draw_folders(tmp_path, {"tulip": 30, "aster": 3})
    (data / "lily").mkdir()
    train, val = read_split(data, "train"), read_split(data, "val")
    summary, aster, tulip, few = class_table(train, val)
    assert summary.startswith("2 classes of 1 to ")
    assert aster.split() == ["aster", "1,", "1", "for", "validation"]
    assert tulip.split()[0] == "tulip"
    assert few == "fewer than 10 training photographs: aster; add photographs"
    assert passed_over(data) == [f"1 folders hold no photographs and are no classes: {data / 'lily'}"]
