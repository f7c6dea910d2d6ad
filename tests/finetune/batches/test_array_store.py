"""The array store: an array is read as it was written, or not at all."""

import errno
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from finetune.batches.array_store import ArrayStore

SLOT_BYTES = 4096


def open_store(folder: Path, identity: str = "a", **values: object) -> ArrayStore:
    arguments = {
        "dtype": np.uint16,
        "slots": 8,
        "slot_bytes": SLOT_BYTES,
        "max_bytes": 8 * SLOT_BYTES,
        "report": lambda _: None,
    } | values
    # Any argument may be overridden, so mypy cannot know the types.
    return ArrayStore(folder, "test", identity={"of": identity}, **arguments)  # type: ignore[arg-type]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(
    array=hnp.arrays(np.uint16, hnp.array_shapes(max_dims=4, max_side=6)),
    slot=st.integers(0, 7),
)
def test_arrays_are_read_as_they_were_written(array: np.ndarray, slot: int, tmp_path: Path) -> None:
    open_store(tmp_path).put(slot, array)
    stored = open_store(tmp_path).get(slot)
    assert stored is not None
    assert np.array_equal(stored, array)
    assert not stored.flags.writeable


def test_unwritten_slot_is_empty(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    assert not store.contains(3)
    assert store.get(3) is None


def test_damaged_slot_counts_as_empty(tmp_path: Path) -> None:
    open_store(tmp_path).put(2, np.arange(100, dtype=np.uint16))
    (data,) = tmp_path.glob("*.data")
    with data.open("r+b") as file:
        file.seek(2 * SLOT_BYTES + 50)
        file.write(b"\xff")
    assert open_store(tmp_path).get(2) is None


def test_stores_of_different_identity_live_side_by_side(tmp_path: Path) -> None:
    open_store(tmp_path).put(0, np.ones(3, np.uint16))
    other = open_store(tmp_path, "b")
    assert not other.contains(0)
    other.put(0, np.zeros(3, np.uint16))
    assert open_store(tmp_path, "a").contains(0)
    assert open_store(tmp_path, "b").contains(0)


def test_the_longest_unused_stores_make_room_and_open_ones_stay(tmp_path: Path) -> None:
    """Each store takes up to 32 KiB in a folder of 80 KiB, and uses 16 KiB."""
    (tmp_path / "own-notes.index").write_bytes(bytes(100_000))
    for age, identity in enumerate("dcba"):
        store = open_store(tmp_path, identity)
        for slot in range(4):
            store.put(slot, np.ones(SLOT_BYTES // 2, np.uint16))
        os.utime(store._index_path, (age, age))
    opened = open_store(tmp_path, "d")
    os.utime(opened._index_path, (0, 0))
    del store
    open_store(tmp_path, "new", folder_bytes=80 * 1024)
    assert opened.contains(0)
    assert [open_store(tmp_path, identity).contains(0) for identity in "cba"] == [False, False, True]
    assert (tmp_path / "own-notes.index").exists()


def test_new_version_replaces_the_old_one(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.put(1, np.zeros(3, np.uint16), 4)
    assert store.get(1, 4) is not None
    store.put(1, np.ones(5, np.uint16), 5)
    assert store.get(1, 4) is None
    assert store.get(1) is None
    stored = store.get(1, 5)
    assert stored is not None
    assert np.array_equal(stored, np.ones(5, np.uint16))


def test_size_of_the_store_is_limited(tmp_path: Path) -> None:
    store = open_store(tmp_path, max_bytes=3 * SLOT_BYTES)
    for slot in range(8):
        store.put(slot, np.full(10, slot, np.uint16))
    assert [store.contains(slot) for slot in range(8)] == [True] * 3 + [False] * 5
    store.put(1, np.zeros(SLOT_BYTES, np.uint16))
    assert sum(path.stat().st_size for path in tmp_path.glob("*.data")) == 3 * SLOT_BYTES
    disabled = open_store(tmp_path / "none", max_bytes=0)
    disabled.put(0, np.ones(3, np.uint16))
    assert disabled.get(0) is None
    assert not (tmp_path / "none").exists()


def test_full_disk_disables_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    store = open_store(tmp_path, report=lines.append)

    def raise_disk_full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("finetune.batches.array_store._write", raise_disk_full)
    for slot in range(3):
        store.put(slot, np.ones(3, np.uint16))
        assert store.get(slot) is None
    assert len(lines) == 1
    assert "No space left" in lines[0]


def test_store_can_be_pickled_for_spawned_loader_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store = open_store(tmp_path, report=lambda _: None)  # a lambda cannot be pickled
    store.put(1, np.ones(3, np.uint16))
    # S301: the test has written the bytes itself.
    copy = pickle.loads(pickle.dumps(store))  # noqa: S301
    assert np.array_equal(copy.get(1), np.ones(3, np.uint16))
    monkeypatch.setattr("finetune.batches.array_store._write", lambda *_: (tmp_path / "missing").stat())
    copy.put(2, np.ones(3, np.uint16))
    assert "training continues without it" in capsys.readouterr().out
