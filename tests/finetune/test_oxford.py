"""Oxford's layout on disk, complete and damaged."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from finetune.data.dataset import read_split
from finetune.data.oxford import CLASSES
from finetune.data.split import DataError
from finetune.torchvision_import import Flowers102
from tests.samples.drawn_flowers import draw_dataset


@pytest.fixture
def copy(dataset: Path, tmp_path: Path) -> Path:
    """A copy of the drawn data set's folder, which a test may damage."""
    shutil.copytree(dataset, tmp_path / "copy")
    return tmp_path / "copy" / "flowers-102"


def test_splits_follow_the_files(dataset: Path) -> None:
    train, val, test = (read_split(dataset, name) for name in ("train", "val", "test"))
    assert (len(train), len(val), len(test)) == (24, 12, 12)
    assert train.classes == CLASSES[:4]
    assert np.bincount(train.labels).tolist() == [6] * 4
    assert train.paths[0].name == "image_00001.jpg"
    assert not set(train.paths) & set(val.paths) | set(val.paths) & set(test.paths)


def test_three_split_files_are_equivalent_to_one(dataset: Path, tmp_path: Path) -> None:
    other = draw_dataset(tmp_path, three_files=True)
    for name in ("train", "val", "test"):
        one, three = read_split(dataset, name), read_split(other / "flowers-102", name)
        assert [path.name for path in one.paths] == [path.name for path in three.paths]
        assert np.array_equal(one.labels, three.labels)
        assert one.digest() == three.digest()


def test_the_102_species_are_those_of_torchvision() -> None:
    assert len(set(CLASSES)) == 102
    assert tuple(name.rstrip("?") for name in Flowers102.classes) == CLASSES


def test_a_missing_scipy_is_one_line(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra `bundle` does not install it."""
    monkeypatch.setitem(sys.modules, "scipy.io", None)
    with pytest.raises(DataError, match=r"imagelabels\.mat: is read with scipy, .* run: pip install scipy"):
        read_split(copy, "test")


def test_missing_images_are_an_error_unless_a_sample_is_declared(copy: Path) -> None:
    test = read_split(copy, "test")
    for path in test.paths[4:]:
        path.unlink()
    with pytest.raises(DataError, match="8 of the 12 test images are missing"):
        read_split(copy, "test")
    (copy / "test-sample.txt").write_text("".join(f"{path.name}\n" for path in test.paths[:4]))
    sample = read_split(copy, "test")
    assert sample.paths == test.paths[:4]
    # Windows adds a byte order mark.
    lines = [path.name for path in test.paths[:4]]
    (copy / "test-sample.txt").write_text("\n".join(lines), encoding="utf-8-sig")
    assert read_split(copy, "test").paths == test.paths[:4]
    for wrong, words in (("image_99999.jpg", "line 5 lists 'image_99999.jpg', which is no image"), (lines[0], "twice")):
        (copy / "test-sample.txt").write_text("\n".join([*lines, wrong]))
        with pytest.raises(DataError, match=words):
            read_split(copy, "test")
    assert sample.describe() == "test (4 of 12 images)"


def test_digest_changes_with_every_image(copy: Path) -> None:
    split = read_split(copy, "val")
    before = split.digest()
    content = bytearray(split.paths[3].read_bytes())
    content[-3] ^= 1
    split.paths[3].write_bytes(content)
    assert split.digest() != before


def test_part_of_a_split_covers_its_classes(dataset: Path) -> None:
    part = read_split(dataset, "train").head(4)
    assert sorted(part.labels) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "imagelabels.mat").unlink(), "no Oxford 102 Flowers here"),
        (lambda f: (f / "imagelabels.mat").write_bytes(b"MATLAB 5.0 MAT-file" + bytes(500)), "not a readable .mat"),
        (lambda f: (f / "imagelabels.mat").write_bytes(bytes(2 * 1024**2)), "much larger"),
        (lambda f: savemat(f / "imagelabels.mat", {"labels": [[1, 2, 103]]}), "labels must be 1 to 102"),
        (lambda f: savemat(f / "imagelabels.mat", {"labels": [[0, 1, 2]]}), "labels must be 1 to 102"),
        (lambda f: savemat(f / "imagelabels.mat", {"labels": [[1.5, 2]]}), "whole numbers"),
        (lambda f: savemat(f / "imagelabels.mat", {"labels": ["rose"]}), "no numbers"),
        (lambda f: (f / "setid.mat").unlink(), "trnid.mat: missing"),
        (lambda f: savemat(f / "setid.mat", {"trnid": [[1]], "valid": [[2]]}), "no numbers called 'tstid'"),
        (lambda f: savemat(f / "setid.mat", {"trnid": [[1]], "valid": [[2]], "tstid": [[999]]}), "names image 999"),
        (lambda f: savemat(f / "setid.mat", {"trnid": [[0]], "valid": [[2]], "tstid": [[3]]}), "count from 1"),
        (
            lambda f: savemat(f / "setid.mat", {"trnid": [[1]], "valid": [[1]], "tstid": [[3]]}),
            "both the train and the val",
        ),
        (lambda f: savemat(f / "setid.mat", {"trnid": [[1, 1]], "valid": [[2]], "tstid": [[3]]}), "twice"),
        (lambda f: (f / "test-sample.txt").write_text("nothing.jpg"), "no image of this split"),
        (lambda f: (f / "test-sample.txt").write_text("image_00001.jpg", "utf-16"), "not a text file in UTF-8"),
    ],
    ids=range(15),
)
def test_damaged_data_set_is_rejected(damage: Callable[[Path], object], message: str, copy: Path) -> None:
    damage(copy)
    with pytest.raises(DataError, match=message) as caught:
        read_split(copy, "test")
    assert "\n" not in str(caught.value)
