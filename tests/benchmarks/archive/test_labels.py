"""Labels from the names of folders and from CSV files."""

from pathlib import Path

import pytest

from benchmarks.archive.answers import NONE, collect
from benchmarks.archive.labels import FOLDERS, read_labels
from runtime.errors import FlowerError
from tests.benchmarks.archive.answers_of import answered, failed

NAMES = ("a/Rose/1.jpg", "b.tar/tulip/2.jpg", "3.jpg", "a/holiday/4.jpg", "a/rose/5.jpg")
ANSWERS = collect([answered(name) for name in NAMES[:4]] + [failed(NAMES[4])])
ROSE, TULIP = 0, 1


def test_the_label_is_the_name_of_the_folder() -> None:
    labels = read_labels(ANSWERS, FOLDERS)
    assert labels.given.tolist() == [ROSE, TULIP, NONE, NONE, ROSE]
    assert labels.unknown == {"": 1, "holiday": 1}


@pytest.mark.parametrize("separator", [",", ";"])
def test_labels_from_a_file(tmp_path: Path, separator: str) -> None:
    lines = (("photo", "note", "Label"), ("a/Rose/1.jpg", "", "TULIP"), ("3.jpg", "x", "none"), ("no.jpg", "", "rose"))
    path = tmp_path / "labels.csv"
    path.write_text("\ufeff" + "\r\n".join(separator.join(cells) for cells in lines), encoding="utf-8")
    labels = read_labels(ANSWERS, str(path))
    assert labels.given.tolist() == [TULIP, NONE, NONE, NONE, NONE]
    assert labels.unknown == {"none": 1}
    assert labels.missing == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("photo,name\na,b\n", "the first line must name the columns photo and label"),
        ("", "the first line must name the columns photo and label"),
        ("photo,label\n3.jpg\n", "line 2: too few cells"),
        ('photo,label\n"3.jpg,rose\n', "no valid CSV"),
        ("photo,label\n3.jpg,hat\n", "no label is a class of the model: 'hat'"),
        ("photo,label\nother.jpg,rose\n", "no photo of it is in the table"),
        (None, "cannot be read"),
    ],
)
def test_a_file_of_no_use_is_one_line(tmp_path: Path, text: str | None, message: str) -> None:
    path = tmp_path / "labels.csv"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(FlowerError, match=message):
        read_labels(ANSWERS, str(path))
