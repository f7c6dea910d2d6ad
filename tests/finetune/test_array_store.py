"""What is computed once: that it comes back as it was, or not at all."""

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
    return ArrayStore(folder, "test", identity={"of": identity}, **arguments)  # type: ignore[arg-type]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(
    array=hnp.arrays(np.uint16, hnp.array_shapes(max_dims=4, max_side=6)),
    slot=st.integers(0, 7),
)
def test_arrays_come_back_in_another_process(array: np.ndarray, slot: int, tmp_path: Path) -> None:
    open_store(tmp_path).put(slot, array)
    found = open_store(tmp_path).get(slot)
    assert found is not None
    assert np.array_equal(found, array)
    assert not found.flags.writeable


def test_empty_slots_are_empty(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    assert not store.holds(3)
    assert store.get(3) is None


def test_a_damaged_slot_counts_as_empty(tmp_path: Path) -> None:
    open_store(tmp_path).put(2, np.arange(100, dtype=np.uint16))
    (data,) = tmp_path.glob("*.data")
    with data.open("r+b") as file:
        file.seek(2 * SLOT_BYTES + 50)
        file.write(b"\xff")
    assert open_store(tmp_path).get(2) is None


def test_another_identity_finds_nothing_and_leaves_no_litter(tmp_path: Path) -> None:
    open_store(tmp_path).put(0, np.ones(3, np.uint16))
    assert not open_store(tmp_path, "b").holds(0)
    assert len(list(tmp_path.iterdir())) == 2
    assert not open_store(tmp_path, "a").holds(0)


def test_a_new_edition_takes_the_place_of_the_old(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.put(1, np.zeros(3, np.uint16), 4)
    assert store.get(1, 4) is not None
    store.put(1, np.ones(5, np.uint16), 5)
    assert store.get(1, 4) is None
    assert store.get(1) is None
    assert np.array_equal(store.get(1, 5), np.ones(5, np.uint16))


def test_no_more_is_kept_than_allowed(tmp_path: Path) -> None:
    store = open_store(tmp_path, max_bytes=3 * SLOT_BYTES)
    for slot in range(8):
        store.put(slot, np.full(10, slot, np.uint16))
    assert [store.holds(slot) for slot in range(8)] == [True] * 3 + [False] * 5
    store.put(1, np.zeros(SLOT_BYTES, np.uint16))
    assert sum(path.stat().st_size for path in tmp_path.glob("*.data")) == 3 * SLOT_BYTES
    nothing = open_store(tmp_path / "none", max_bytes=0)
    nothing.put(0, np.ones(3, np.uint16))
    assert nothing.get(0) is None
    assert not (tmp_path / "none").exists()


def test_a_full_disk_costs_time_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    store = open_store(tmp_path, report=said.append)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("finetune.batches.array_store._write", full)
    for slot in range(3):
        store.put(slot, np.ones(3, np.uint16))
        assert store.get(slot) is None
    assert len(said) == 1
    assert "No space left" in said[0]


def test_a_store_goes_to_loader_processes_that_are_spawned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store = open_store(tmp_path, report=lambda _: None)  # which cannot be pickled
    store.put(1, np.ones(3, np.uint16))
    there = pickle.loads(pickle.dumps(store))
    assert np.array_equal(there.get(1), np.ones(3, np.uint16))
    monkeypatch.setattr("finetune.batches.array_store._write", lambda *_: (tmp_path / "nowhere").stat())
    there.put(2, np.ones(3, np.uint16))
    assert "going on without" in capsys.readouterr().out
