"""Tables that are folders of Parquet files."""

import importlib
from pathlib import Path
from typing import Any

import pytest

from runtime.errors import FlowerError
from runtime.services.archive.row import COLUMNS, Row
from runtime.services.archive.tables.formats import open_table
from runtime.services.archive.tables.parquet_table import ParquetTable, answer_schema
from runtime.services.archive.tables.store_parts import StoreParts, without_password
from tests.runtime.services.archive.tables.samples import TOP, a_part, an_answered, content_of, table_at

pa: Any = pytest.importorskip("pyarrow")
dataset: Any = importlib.import_module("pyarrow.dataset")
parquet: Any = importlib.import_module("pyarrow.parquet")
fs: Any = importlib.import_module("pyarrow._fs")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "answers.parquet"


def test_the_folder_is_one_table_for_other_programs(path: Path) -> None:
    table = table_at(path)
    for number in range(12):
        table.write_part(number, a_part(10 * number))
    table.write_part(12, [Row("without.jpg")])
    (path / ".part-000003.parquet.0123456789ab.tmp").write_bytes(b"of a killed writer")
    for read in (dataset.dataset(path).to_table(), parquet.read_table(path)):
        assert read.schema.equals(answer_schema())
        assert read["photo"].to_pylist() == [row.photo for row in table.rows()]
    sunflowers = dataset.dataset(path).filter(dataset.field("label") == "rose").to_table()
    assert sunflowers.num_rows == 12 * 3
    assert sunflowers["predictions"][0].as_py() == list(an_answered(0).predictions or ())
    assert [str(field.type) for field in read.schema if field.name in ("size", "passing", "predictions")] == [
        "int64",
        "list<element: struct<label: string, index: int32, probability: double>>",
        "bool",
    ]


@pytest.mark.parametrize("position", range(0, 100, 3))
def test_a_damaged_part_is_refused_or_has_its_rows(position: int, path: Path) -> None:
    table = table_at(path)
    table.write_part(0, a_part(0))
    part = path / "part-000000.parquet"
    content = bytearray(part.read_bytes())
    content[len(content) * position // 100] ^= 0x55
    part.write_bytes(content)
    try:
        assert list(table.rows()) == a_part(0)
    except FlowerError as error:
        assert "part-000000.parquet: " in str(error)  # noqa: PT017
        assert "away" in str(error)  # noqa: PT017


def test_a_part_that_was_cut_is_refused(path: Path) -> None:
    table = table_at(path)
    table.write_part(0, a_part(0))
    part = path / "part-000000.parquet"
    part.write_bytes(part.read_bytes()[:-9])
    with pytest.raises(FlowerError, match=r"part-000000\.parquet: damaged .* run again with --resume"):
        list(table.rows())


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"photo": ["a.jpg"]}, "other columns"),
        ({column: ["a"] for column in COLUMNS}, "other columns"),
    ],
)
def test_parquet_files_of_others_are_refused_and_stay(path: Path, other: dict[str, list[str]], message: str) -> None:
    path.mkdir()
    parquet.write_table(pa.table(other), path / "part-000000.parquet")
    before = content_of(path)
    for use in (table_at(path).is_begun, lambda: table_at(path).finish(0)):
        with pytest.raises(FlowerError, match=message):
            use()
    assert content_of(path) == before


def test_a_part_with_too_many_rows_or_a_wrong_value_is_refused(path: Path) -> None:
    path.mkdir()
    for values, message in (({"photo": None}, "no photo"), ({"photo": "a.jpg", "sha256": "a"}, "column sha256")):
        parquet.write_table(pa.Table.from_pylist([values], schema=answer_schema()), path / "part-000000.parquet")
        with pytest.raises(FlowerError, match=rf"damaged \({message}|{message}\)"):
            list(table_at(path).rows())
    many = pa.Table.from_arrays([pa.nulls(100_001, field.type) for field in answer_schema()], schema=answer_schema())
    parquet.write_table(many, path / "part-000000.parquet")
    with pytest.raises(FlowerError, match="more than 100,000 rows"):
        list(table_at(path).rows())


def test_a_table_may_be_in_a_store(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = fs._MockFileSystem()
    monkeypatch.setattr(
        "runtime.services.archive.tables.parquet_table.parts_at",
        lambda uri, suffix: StoreParts(without_password(uri), store, "bucket/answers.parquet", suffix),
    )
    table = open_table("s3://user:pass%2Fword@bucket/answers.parquet?region=eu", TOP)
    assert table.path == "s3://bucket/answers.parquet"
    with pytest.raises(FlowerError, match="there is no 'bucket'"):
        table.is_begun()
    store.create_dir("bucket/answers.parquet")
    assert not table.is_begun()
    local = table_at(path)
    for number in range(3):
        table.write_part(number, a_part(10 * number))
        local.write_part(number, a_part(10 * number))
    assert table.is_begun()
    assert table.read_part(1) == a_part(10)
    assert table.read_part(3) is None
    table.finish(2)
    local.finish(2)
    assert list(table.rows()) == list(local.rows()) == a_part(0) + a_part(10)
    stored = [store.open_input_stream(f"bucket/answers.parquet/{name}").read() for name in content_of(path)]
    assert stored == list(content_of(path).values())
    with pytest.raises(FlowerError, match=r"s3://bucket/answers\.parquet/part-000002\.parquet: was removed"):
        table.finish(3)
    store.open_output_stream("bucket/answers.parquet/notes.txt").close()
    with pytest.raises(FlowerError, match=r"s3://bucket/answers\.parquet: no table of answers"):
        table.is_begun()


def test_an_address_of_this_machine_is_a_folder(path: Path) -> None:
    table = open_table(path.as_uri(), TOP)
    table.write_part(0, a_part(0))
    assert list(ParquetTable(str(path)).rows()) == a_part(0)


@pytest.mark.parametrize("address", ["no-store://bucket/answers.parquet", "s3://user:secret@/answers.parquet"])
def test_an_address_that_pyarrow_does_not_know_is_refused(address: str) -> None:
    with pytest.raises(FlowerError, match=r"answers\.parquet: no store that pyarrow can use") as caught:
        open_table(address, TOP)
    assert "secret" not in str(caught.value)
