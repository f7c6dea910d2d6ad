"""Tables that are files of text: JSON lines and CSV."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from runtime.errors import FlowerError
from runtime.services.archive.row import Row
from runtime.services.archive.tables.formats import open_table
from runtime.services.archive.tables.parts import LocalParts
from runtime.services.archive.tables.row_values import MAX_ROW_BYTES
from tests.runtime.services.archive.tables.samples import TOP, a_failed, a_part, an_answered, table_at


@pytest.fixture(params=["answers.jsonl", "answers.csv"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / str(request.param)


def finished(path: Path, rows: list[Row]) -> list[bytes]:
    """Write a table and return its lines."""
    table = table_at(path)
    table.write_part(0, rows)
    table.finish(1)
    return path.read_bytes().splitlines(keepends=True)


def test_a_crash_after_the_parts_were_joined_loses_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = table_at(path)
    for number in range(3):
        table.write_part(number, a_part(10 * number))
    delete = LocalParts.delete

    def crash(parts: LocalParts, number: int) -> None:
        if number == 1:
            raise KeyboardInterrupt
        delete(parts, number)

    with monkeypatch.context() as context:
        context.setattr(LocalParts, "delete", crash)
        with pytest.raises(KeyboardInterrupt):
            table.finish(3)
    assert {row.photo: row for row in table.rows()} == {row.photo: row for n in range(3) for row in a_part(10 * n)}
    assert table.read_part(0) is None
    table.write_part(0, a_part(0))
    table.finish(3)
    assert list(table.rows()) == a_part(0) + a_part(10) + a_part(20)


@pytest.mark.parametrize(
    "damage",
    [
        lambda lines: [*lines[:-1], lines[-1][:-1]],
        lambda lines: [*lines[:-1], lines[-1].replace(b"true", b'"true')],
        lambda lines: [*lines[:-1], lines[-1].replace(b"passing.jpg", b"passing\xff.jpg")],
        lambda lines: [*lines[:-1], lines[-1].replace(b"true", b"1")],
        lambda lines: [*lines[:-1], b"\n"],
        lambda lines: [*lines[:-1], b"[" * 100_000 + b"\n"],
    ],
    ids=["cut", "quotation mark", "no UTF-8", "no truth", "empty", "nested"],
)
def test_a_damaged_line_is_named(path: Path, damage: Callable[[list[bytes]], list[bytes]]) -> None:
    lines = finished(path, [an_answered(1), an_answered(2), Row("passing.jpg", error="x", passing=True)])
    path.write_bytes(b"".join(damage(lines)))
    table = table_at(path)
    assert table.is_begun()
    with pytest.raises(FlowerError, match=rf"{path.name}: no table of answers \(line {len(lines)}: .*move it away"):
        list(table.rows())


@pytest.mark.parametrize("lines", [1, 8000])
def test_a_row_that_never_ends_is_refused(path: Path, lines: int) -> None:
    before = b"".join(finished(path, a_part(0, 2)))
    line = b'"' + b"a" * (MAX_ROW_BYTES // lines) + b'\n",'
    path.write_bytes(before + (line * lines if path.suffix == ".csv" else line.replace(b"\n", b"") * lines))
    with pytest.raises(FlowerError, match=rf"more than {MAX_ROW_BYTES:,} bytes"):
        list(table_at(path).rows())


def test_a_damaged_part_is_named(path: Path) -> None:
    table = table_at(path)
    for number in range(2):
        table.write_part(number, a_part(10 * number))
    part = Path(f"{path}.parts") / f"part-000001{path.suffix}"
    part.write_bytes(part.read_bytes()[:-1])
    with pytest.raises(FlowerError, match=rf"part-000001{path.suffix}: damaged .* run again with --resume"):
        list(table.rows())
    with pytest.raises(FlowerError, match="damaged"):
        table.finish(2)


def test_other_files_in_the_folder_of_the_parts_are_refused_and_stay(path: Path) -> None:
    table = table_at(path)
    table.write_part(0, a_part(0))
    folder = Path(f"{path}.parts")
    (folder / "notes.txt").write_text("notes")
    with pytest.raises(FlowerError, match=r"other files, such as 'notes\.txt'"):
        table.is_begun()
    (folder / "notes.txt").rename(folder / ".DS_Store")
    table.finish(1)
    assert [file.name for file in folder.iterdir()] == [".DS_Store"]


def test_a_row_that_could_not_be_read_again_is_not_written(path: Path) -> None:
    long = tuple({"label": "a" * 65_000, "index": index, "probability": 0.0} for index in range(70))
    with pytest.raises(FlowerError, match="too many; ask for fewer with --top"):
        open_table(str(path), 70).write_part(0, [Row("a.jpg", predictions=long)])


def test_json_lines_have_the_columns_as_keys(tmp_path: Path) -> None:
    lines = finished(tmp_path / "answers.ndjson", [an_answered(7), a_failed(8)])
    assert [json.loads(line) for line in lines] == [an_answered(7).to_dict(), a_failed(8).to_dict()]


def test_csv_has_one_row_for_each_photo_and_columns_for_each_prediction(tmp_path: Path) -> None:
    path = tmp_path / "answers.csv"
    finished(path, [an_answered(7), a_failed(8)])
    assert path.read_bytes() == (
        b"photo,photo_bytes,size,modified_ns,sha256,verdict,label,probability,familiarity,name,latin,taken,latitude,"
        b"longitude,label_1,index_1,probability_1,label_2,index_2,probability_2,label_3,index_3,probability_3,"
        b"fingerprint,error,error_kind,passing,settings\n"
        b"2024/00007.jpg,,7,1700000000123456789," + b"0" * 63 + b"7,name,rose,0.30000000000000004,0.5,,,"
        b'2024-05-01T12:00:00,-47.0,8.25,"a ""red"", rose",3,0.30000000000000004,sunflower,0,1e-06,,,,'
        b"0000000000000007,,,,0123456789abcdef\n"
        b'"broken\r8\xef\xbf\xbd.jpg",ff2e6a7067' + b"," * 23 + b'"not a\npicture",damaged,false,0123456789abcdef\n'
    )
    with path.open(newline="", encoding="utf-8") as file:
        assert [row["photo"] for row in csv.DictReader(file)] == ["2024/00007.jpg", "broken\r8�.jpg"]


def test_csv_with_another_number_of_predictions_is_read_and_written_anew(tmp_path: Path) -> None:
    path = tmp_path / "answers.csv"
    finished(path, a_part(0))
    table = open_table(str(path), TOP + 4)
    assert list(table.rows()) == a_part(0)
    table_at(path).write_part(0, a_part(0))
    assert table.read_part(0) == a_part(0)
    with pytest.raises(FlowerError, match="other columns"):
        table.finish(1)
    table.write_part(0, a_part(0))
    table.finish(1)
    assert list(table.rows()) == a_part(0)
    assert f",label_{TOP + 4}," in path.read_text(encoding="utf-8")


def test_csv_has_no_columns_for_more_predictions(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="2 predictions, but the table has columns for 1"):
        open_table(str(tmp_path / "answers.csv"), 1).write_part(0, a_part(0))
