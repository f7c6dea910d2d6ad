"""``python -m benchmarks archive`` on drawn pictures."""

import csv
import io
import re
import tarfile
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.command_line import main
from tests.benchmarks.archive.answers_of import answered, failed, write_table

NASTY = '<img src=x onerror=alert(1)>&".jpg'


def draw(path: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (40, 30), (200, 30, 90)).save(path)
    return str(path)


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_page_and_lists_of_an_archive(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photos = [draw(tmp_path / "rose" / f"{number}.jpg") for number in range(4)]
    content = io.BytesIO(Path(photos[0]).read_bytes())
    with tarfile.open(tmp_path / "more.tar", "w") as tar:
        member = tarfile.TarInfo("tulip/5.jpg")
        member.size = len(content.getvalue())
        tar.addfile(member, content)
    rows = [
        answered(photos[0], (0.9, 0.1, 0), fingerprint="5" * 16, sha256="a" * 64, taken="2024-05-01T12:00:00"),
        answered(photos[1], (0.8, 0.2, 0), fingerprint="5" * 15 + "6", size=2000),
        answered(photos[2], (0.9, 0.1, 0), fingerprint="5" * 16, sha256="a" * 64),
        answered(photos[3], (0.02, 0.98, 0), fingerprint="c" * 16),
        answered(f"{tmp_path}/more.tar/tulip/5.jpg", (0.1, 0.9, 0), fingerprint="f0" * 8),
        answered(str(tmp_path / "rose" / NASTY), (0.7, 0.1, 0.2), verdict="between"),
        answered("gone.jpg", verdict="unfamiliar"),
        failed("broken.jpg"),
    ]
    table, output = write_table(tmp_path / "answers.jsonl", rows), tmp_path / "out"
    assert main(["archive", str(table), "--labels", "folders", "--output", str(output)]) == 0
    names = ("sheet.html", "same-bytes.csv", "near-duplicates.csv", "probably-wrong-labels.csv")
    assert capsys.readouterr().out.splitlines() == [str(output / name) for name in names]
    page = (output / "sheet.html").read_text(encoding="utf-8")
    text = " ".join(re.sub("<[^>]*>", " ", page).split())
    assert "8 photos 5 (62.5&nbsp;%) got a name the model is not sure about 1 (12.5&nbsp;%)" in text
    assert "1 (12.5&nbsp;%) could not be answered: 1 damaged" in text
    assert "1 has the same bytes as another photo, and 1 more looks nearly the same as another" in text
    assert "1 of 6 labels is probably wrong" in text
    assert "2 of the" in text  # photos that are gone
    assert "<img src=x" not in page
    assert "&lt;img src=x onerror=alert(1)&gt;&amp;&#34;.jpg" in page
    assert not re.search(r'(src|href)="(?!data:image/jpeg;base64,|#)', page)
    assert "{{" not in page
    assert [
        (row["group"], row["photo"], row["bits"], row["label"]) for row in read(output / "near-duplicates.csv")
    ] == [
        ("1", photos[1], "0", "rose"),
        ("1", photos[0], "2", "rose"),
    ]
    assert [row["photo"] for row in read(output / "same-bytes.csv")] == [photos[0], photos[2]]
    (wrong,) = read(output / "probably-wrong-labels.csv")
    assert wrong["photo"] == photos[3]
    assert (wrong["label"], wrong["suggested"], wrong["suggested_name"]) == ("rose", "tulip", "Tulip")
    assert (wrong["margin"], wrong["verdict"]) == ("-0.960000", "name")


@pytest.mark.parametrize("name", ["answers.parquet", "answers.csv", "answers.sqlite"])
def test_a_table_without_times_labels_and_fingerprints(tmp_path: Path, name: str) -> None:
    table, output = write_table(tmp_path / name, [answered("a.jpg")]), tmp_path / "out"
    assert main(["archive", str(table), "--output", str(output)]) == 0
    page = (output / "sheet.html").read_text(encoding="utf-8")
    assert 'id="months"' not in page
    assert 'id="labels"' not in page
    assert "No photos look nearly the same." in page
    assert sorted(path.name for path in output.iterdir()) == ["near-duplicates.csv", "same-bytes.csv", "sheet.html"]


def test_an_archive_of_errors_alone(tmp_path: Path) -> None:
    table, output = write_table(tmp_path / "answers.jsonl", [failed("a.jpg"), failed("b.jpg")]), tmp_path / "out"
    assert main(["archive", str(table), "--output", str(output)]) == 0
    assert "No photo shows a flower that the model knows." in (output / "sheet.html").read_text(encoding="utf-8")


def test_damaged_missing_and_empty_tables_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    damaged = write_table(tmp_path / "damaged.jsonl", [answered("a.jpg")])
    damaged.write_bytes(damaged.read_bytes()[:-30])
    empty = write_table(tmp_path / "empty.jsonl", [])
    for table, message in (
        (damaged, "damaged"),
        (tmp_path / "none.jsonl", "no such table"),
        (empty, "no photos in this table"),
        (tmp_path / "photo.jpg", "no format of a table"),
    ):
        assert main(["archive", str(table), "--output", str(tmp_path / "out")]) == 1
        error = capsys.readouterr().err
        assert message in error
        assert len(error.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_the_page_is_the_same_for_the_same_table(tmp_path: Path) -> None:
    rows = [
        answered(f"{number}.jpg", fingerprint=f"{0xAAAA00 + number % 16:016x}", sha256=f"{number % 5:064x}")
        for number in range(40)
    ]
    table = write_table(tmp_path / "answers.jsonl", rows)
    pages = []
    for name in ("one", "two"):
        assert main(["archive", str(table), "--output", str(tmp_path / name)]) == 0
        pages.append({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()})
    assert pages[0] == pages[1]
