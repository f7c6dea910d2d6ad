"""What all formats of a table do."""

import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runtime.errors import FlowerError
from runtime.services.archive.row import Row
from runtime.services.archive.tables.formats import open_table
from tests.runtime.services.archive.tables.samples import (
    NAMES,
    TOP,
    a_part,
    an_answered,
    content_of,
    table_at,
)

ROOT = Path(__file__).parents[5]
CHILD = """
import sys
from itertools import count
from pathlib import Path
from tests.runtime.services.archive.tables.samples import a_part, table_at

tables = [table_at(Path(path)) for path in sys.argv[1:]]
for turn in count():
    for table in tables:
        for number in range(3):
            table.write_part(number, a_part(100 * number, 50, str(turn)))
        table.finish(3)
    print(turn, flush=True)
"""

texts = st.text(min_size=1)
numbers = st.floats(allow_nan=False, allow_infinity=False)
integers = st.integers(-(2**63), 2**63 - 1)
predictions = st.lists(
    st.fixed_dictionaries({"label": st.text(), "index": st.integers(-(2**31), 2**31 - 1), "probability": numbers}),
    min_size=1,
    max_size=TOP,
)
rows = st.builds(
    Row,
    photo=st.text(),
    photo_bytes=st.none() | st.binary(min_size=1).map(bytes.hex),
    size=st.none() | integers,
    modified_ns=st.none() | integers,
    sha256=st.none() | st.binary(min_size=32, max_size=32).map(bytes.hex),
    verdict=st.none() | texts,
    label=st.none() | texts,
    probability=st.none() | numbers,
    familiarity=st.none() | numbers,
    name=st.none() | texts,
    latin=st.none() | texts,
    taken=st.none() | texts,
    latitude=st.none() | numbers,
    longitude=st.none() | numbers,
    predictions=st.none() | predictions.map(tuple),
    fingerprint=st.none() | st.binary(min_size=8, max_size=8).map(bytes.hex),
    error=st.none() | texts,
    error_kind=st.none() | texts,
    passing=st.none() | st.booleans(),
    settings=st.text(),
)


@pytest.fixture(params=NAMES)
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / "folder" / str(request.param)


@contextmanager
def full_disk() -> Iterator[None]:
    """A limit on the size of files stands for the full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def last_rows(path: Path) -> dict[str, Row]:
    """Photo → the last of its rows."""
    return {row.photo: row for row in table_at(path).rows()}


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(part=st.lists(rows, min_size=1, max_size=4))
def test_rows_come_back_as_they_were_written(path: Path, part: list[Row]) -> None:
    table = table_at(path)
    table.write_part(0, part)
    assert table.read_part(0) == part
    table.finish(1)
    assert list(table_at(path).rows()) == part


def test_a_table_is_begun_with_its_first_part(path: Path) -> None:
    table = table_at(path)
    assert not table.is_begun()
    assert list(table.rows()) == []
    assert table.read_part(0) is None
    assert not path.parent.exists(), "asking makes nothing"
    table.write_part(0, a_part(0))
    assert table_at(path).is_begun()
    table.finish(1)
    assert table_at(path).is_begun()


def test_a_part_takes_the_place_of_an_earlier_one(path: Path) -> None:
    table = table_at(path)
    table.write_part(1, a_part(10, 9))
    table.write_part(0, a_part(0))
    table.write_part(1, a_part(20, 2))
    assert table.read_part(1) == a_part(20, 2)
    assert list(table.rows()) == a_part(0) + a_part(20, 2)


def test_a_finished_table_has_the_parts_that_were_asked_for_and_no_other_files(path: Path) -> None:
    table = table_at(path)
    for number in range(4):
        table.write_part(number, a_part(10 * number))
    for folder in (path, Path(f"{path}.parts")):
        if folder.is_dir():
            (folder / f".part-000001{path.suffix}.0123456789ab.tmp").write_bytes(b"of a killed writer")
    if not path.is_dir():
        (path.parent / f".{path.name}.0123456789ab.tmp").write_bytes(b"of a killed writer")
    table.finish(3)
    assert list(table.rows()) == a_part(0) + a_part(10) + a_part(20)
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    assert len(content_of(path)) == (3 if path.is_dir() else 1)


def test_equal_rows_make_equal_bytes_whatever_was_written_before(path: Path) -> None:
    table = table_at(path)
    for number in range(3):
        table.write_part(number, a_part(10 * number))
    table.finish(3)
    other = table_at(path.parent / "other" / path.name)
    for number in (2, 1, 4, 0):
        other.write_part(number, a_part(7 * number, 6))
    other.finish(0)
    for number in (1, 2, 0):
        other.write_part(number, a_part(10 * number))
    other.finish(3)
    assert content_of(path) == content_of(Path(other.path))


def test_a_finished_table_can_be_gone_on_with(path: Path) -> None:
    before = table_at(path)
    before.write_part(0, a_part(0))
    before.finish(1)
    table = table_at(path)
    assert list(table.rows()) == a_part(0)
    changed = a_part(0, settings="of another model")
    table.write_part(0, changed)
    assert last_rows(path) == {row.photo: row for row in changed}
    table.write_part(1, a_part(10))
    table.finish(2)
    assert list(table.rows()) == changed + a_part(10)
    undisturbed = table_at(path.parent / "other" / path.name)
    undisturbed.write_part(0, changed)
    undisturbed.write_part(1, a_part(10))
    undisturbed.finish(2)
    assert content_of(path) == content_of(Path(undisturbed.path))


def test_a_full_disk_leaves_everything_as_it_was(path: Path) -> None:
    table = table_at(path)
    table.write_part(0, a_part(0))
    table.finish(1)
    table.write_part(0, a_part(10))
    table.write_part(1, a_part(20))
    before = content_of(path.parent)
    with full_disk():
        with pytest.raises(OSError, match=r"large|full|I/O"):
            table.write_part(0, a_part(30, 60))
        if not path.is_dir():
            with pytest.raises(OSError, match=r"large|full|I/O"):
                table.finish(2)
    assert table.read_part(0) == a_part(10)
    assert content_of(path.parent).keys() == before.keys()
    table.finish(2)
    assert list(table.rows()) == a_part(10) + a_part(20)


def test_a_part_that_is_missing_is_not_left_out_in_silence(path: Path) -> None:
    table = table_at(path)
    table.write_part(0, a_part(0))
    table.write_part(2, a_part(20))
    with pytest.raises(FlowerError, match="meanwhile; run again with --resume"):
        table.finish(3)
    assert list(table.rows()) == a_part(0) + a_part(20)


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_a_killed_writer_leaves_whole_parts_in_all_formats(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    paths = [tmp_path / name / name for name in ("answers.parquet", "answers.jsonl", "answers.csv", "answers.sqlite")]
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, *map(str, paths)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout
        for _ in range(2):  # turns
            assert child.stdout.readline()
        child.send_signal(signal.SIGKILL)
    for path in paths:
        table, found = table_at(path), last_rows(path)
        assert len(found) == 150
        for number in range(3):
            part = [found[row.photo] for row in a_part(100 * number, 50)]
            assert part == a_part(100 * number, 50, part[0].settings), "all rows are of one turn"
            assert table.read_part(number) in (None, part)
            table.write_part(number, a_part(100 * number, 50))
        table.finish(3)
        assert list(table.rows()) == a_part(0, 50) + a_part(100, 50) + a_part(200, 50)
        assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("other", ["a folder", "a file", "an empty line", "a folder of parts"])
def test_what_is_no_table_is_refused_and_stays_as_it_is(path: Path, other: str) -> None:
    path.parent.mkdir()
    if other == "a folder":
        (path / "photos").mkdir(parents=True)
        (path / "photos" / "a.jpg").write_bytes(b"a photo")
    elif other == "a folder of parts":
        path.mkdir()
        (path / f"part-000000{path.suffix}").write_bytes(b"not a part")
    elif other == "a file":
        path.write_bytes(b'{"photo": "a.jpg", "size": 3}\n' * 9)
    else:
        path.write_bytes(b"\n")
    before = content_of(path.parent)
    table = table_at(path)
    for use in (table.is_begun, lambda: list(table.rows()), lambda: table.finish(0)):
        with pytest.raises(FlowerError, match=r"move (it|this file) away"):
            use()
    assert content_of(path.parent) == before


def test_a_value_that_no_table_can_have_is_not_written(path: Path) -> None:
    table = table_at(path)
    table.write_part(0, [an_answered(0)])
    for row in (Row("a.jpg", probability=float("nan")), Row("a\udce9.jpg")):
        with pytest.raises(ValueError, match="wrong value"):
            table.write_part(0, [row])
    assert table.read_part(0) == [an_answered(0)]


def test_a_path_must_name_a_format() -> None:
    with pytest.raises(FlowerError, match=r"\.parquet, \.jsonl, \.ndjson, \.csv, \.sqlite, \.sqlite3, \.db$"):
        open_table("answers.txt", TOP)
    with pytest.raises(FlowerError, match=r"only a \.parquet table can be in a store") as caught:
        open_table("s3://user:password@bucket/answers.csv?region=eu", TOP)
    assert "password" not in str(caught.value)


@pytest.mark.parametrize("path", ["answers.parquet", "s3://bucket/answers.parquet"])
def test_without_pyarrow_the_message_says_how_to_install_it(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(FlowerError, match=r"needs pyarrow; run: .*\[archive\]"):
        open_table(path, TOP)
