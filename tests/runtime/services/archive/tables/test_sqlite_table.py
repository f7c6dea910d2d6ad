"""Tables that are SQLite databases."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from runtime.errors import FlowerError
from tests.runtime.services.archive.tables.samples import a_part, an_answered, content_of, table_at


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "answers.sqlite"


def run(path: Path, *statements: str) -> list[Any]:
    """Run statements as a user of the database and return the rows of the last one."""
    rows: list[Any] = []
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            rows = connection.execute(statement).fetchall()
        connection.commit()
    return rows


def test_the_table_can_be_asked_in_sql(path: Path) -> None:
    table = table_at(path)
    table.write_part(0, a_part(0))
    table.write_part(1, a_part(10))
    table.finish(2)
    assert run(path, "SELECT part, position, photo, size, passing FROM answers WHERE part = 1 AND position > 1") == [
        (1, 2, "2024/00012.jpg", 12, None),
        (1, 3, a_part(10)[3].photo, None, 0),
    ]
    ((predictions,),) = run(path, "SELECT predictions FROM answers WHERE photo = '2024/00001.jpg'")
    assert json.loads(predictions) == list(an_answered(1).predictions or ())
    (plan,) = run(path, "EXPLAIN QUERY PLAN SELECT * FROM answers WHERE photo = 'a.jpg'")
    assert "answers_by_photo" in plan[3]


@pytest.mark.parametrize(
    "statements",
    [
        ["CREATE TABLE answers (photo TEXT)"],
        ["CREATE TABLE answers (photo TEXT)", "PRAGMA application_id = 1179407425"],
        ["PRAGMA application_id = 1179407425", "PRAGMA user_version = 1", "CREATE VIEW answers AS SELECT 1 AS photo"],
    ],
    ids=["another database", "another version", "a view"],
)
def test_databases_of_others_are_refused_and_stay(path: Path, statements: list[str]) -> None:
    run(path, *statements)
    before = content_of(path.parent)
    for use in (lambda: list(table_at(path).rows()), lambda: table_at(path).finish(0)):
        with pytest.raises(FlowerError, match="no table of answers"):
            use()
    assert content_of(path.parent) == before


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE notes (text TEXT)",
        "CREATE TRIGGER t AFTER INSERT ON answers BEGIN DELETE FROM answers; END",
    ],
)
def test_what_a_user_added_is_not_lost_in_silence(path: Path, statement: str) -> None:
    table = table_at(path)
    table.write_part(0, a_part(0))
    run(path, statement)
    with pytest.raises(FlowerError, match="tables, indexes or views that are not its own"):
        table.write_part(1, a_part(10))
    with pytest.raises(FlowerError, match="tables, indexes or views that are not its own"):
        table.finish(1)
    assert run(path, "SELECT count(*) FROM answers") == [(4,)]


@pytest.mark.parametrize(
    "change",
    [
        "size = 'large'", "photo = NULL", "passing = 2", "predictions = '[1'", "predictions = x'00'",
        "sha256 = 'a'", "label = CAST(x'ff' AS TEXT)", "label = zeroblob(9000000)",
    ],
)  # fmt: skip
def test_a_value_that_was_changed_by_hand_is_refused(path: Path, change: str) -> None:
    table = table_at(path)
    table.write_part(0, a_part(0))
    run(path, f"UPDATE answers SET {change} WHERE position = 2")  # noqa: S608
    with pytest.raises(FlowerError, match=r"answers\.sqlite: damaged"):
        list(table.rows())


def test_a_damaged_database_is_refused(path: Path) -> None:
    table = table_at(path)
    for number in range(20):
        table.write_part(number, a_part(10 * number, 9))
    content = bytearray(path.read_bytes())
    content[4096 * 3 :] = b"\x55" * (len(content) - 4096 * 3)
    path.write_bytes(content)
    for use in (lambda: list(table.rows()), lambda: table.finish(20)):
        with pytest.raises(FlowerError, match=r"answers\.sqlite: damaged"):
            use()
    assert content_of(path.parent) == {"answers.sqlite": bytes(content)}


def test_the_write_ahead_log_of_a_user_is_not_applied_to_the_new_file(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runtime.services.archive.tables.sqlite_table.LOCK_SECONDS", 0.01)
    table = table_at(path)
    table.write_part(0, a_part(0))
    with closing(sqlite3.connect(path)) as user:
        user.execute("PRAGMA journal_mode = WAL")
        user.execute("SELECT count(*) FROM answers").fetchall()
        assert list(table.rows()) == a_part(0)
        with pytest.raises(FlowerError, match="another process uses this table"):
            table.finish(1)
    table.finish(1)
    assert list(table.rows()) == a_part(0)
    assert content_of(path.parent).keys() == {"answers.sqlite"}


def test_a_second_writer_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.services.archive.tables.sqlite_table.LOCK_SECONDS", 0.01)
    table = table_at(path)
    table.write_part(0, a_part(0))
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(FlowerError, match="another process uses this table"):
            table.write_part(1, a_part(10))
    assert list(table.rows()) == a_part(0)
