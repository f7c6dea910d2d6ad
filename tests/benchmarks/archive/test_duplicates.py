"""Photos that come twice: fast search and all pairs compared give the same."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.archive import duplicates
from benchmarks.archive.duplicates import close_pairs, connected, nearly_same, same_bytes

BASES = st.integers(0, 2**64 - 1)
FLIPS = st.lists(st.integers(0, 63), max_size=7)


@st.composite
def fingerprints(draw: st.DrawFn) -> np.ndarray:
    """Fingerprints, many of them near others."""
    bases = draw(st.lists(BASES, min_size=1, max_size=4))
    values = set(bases)
    for base, flips in draw(st.lists(st.tuples(st.sampled_from(bases), FLIPS), max_size=30)):
        for bit in flips:
            base ^= 1 << bit
        values.add(base)
    return np.array(sorted(values), dtype=np.uint64)


def all_close_pairs(values: np.ndarray, most: int) -> set[tuple[int, int]]:
    close = np.bitwise_count(values[:, np.newaxis] ^ values) <= most
    return {(int(one), int(other)) for one, other in np.argwhere(close) if one < other}


def found_pairs(values: np.ndarray, most: int) -> set[tuple[int, int]]:
    pairs = (
        pair for one, other in close_pairs(values, most) for pair in zip(one.tolist(), other.tolist(), strict=True)
    )
    return {(min(pair), max(pair)) for pair in pairs}


@settings(max_examples=40)
@given(fingerprints(), st.integers(0, 6))
def test_close_pairs_are_those_of_comparing_all_pairs(values: np.ndarray, most: int) -> None:
    assert found_pairs(values, most) == all_close_pairs(values, most)


def test_blocks_and_batches_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    values = random.integers(0, 2**63, 300, dtype=np.uint64)
    values = np.unique(
        np.concatenate([values, values ^ (np.uint64(1) << random.integers(0, 64, 300, dtype=np.uint64))])
    )
    expected = connected(len(values), close_pairs(values, 4))
    assert len(np.unique(expected)) < len(values)
    monkeypatch.setattr(duplicates, "BLOCK", 7)
    monkeypatch.setattr(duplicates, "EDGES", 5)
    assert np.array_equal(connected(len(values), close_pairs(values, 4)), expected)


def test_groups_are_connected_by_close_pairs_and_begin_with_the_largest_photo() -> None:
    flips = (0b0, 0b11, 0b1111, 1 << 40, 1 << 50 | 0b1111111111, 1 << 40, 0)
    values = np.array([0xAAAAAAAAAAAAAAAA ^ each for each in flips], dtype=np.uint64)
    sizes = np.array([10, 30, 20, 5, 5, 6, 99])
    groups = nearly_same(values, np.arange(6), sizes, most=2)
    assert [rows.tolist() for rows in groups] == [[1, 2, 0, 5, 3]]  # 0 and 1 << 40 differ in one bit
    assert groups.repeats().tolist() == [2, 0, 5, 3]
    assert [rows.tolist() for rows in nearly_same(values, np.arange(6), sizes, most=0)] == [[5, 3]]
    assert len(nearly_same(values, np.array([], dtype=np.int64), sizes)) == 0


def test_plain_pictures_are_in_no_group() -> None:
    values = np.array([0, 1, 2**64 - 1, 2**64 - 2, 2**10 - 1, 2**9 - 1, 2**9 - 2], dtype=np.uint64)
    assert len(nearly_same(values, np.arange(7), np.ones(7, dtype=np.int64))) == 0
    values[5] = 2**11 - 1
    assert [rows.tolist() for rows in nearly_same(values, np.arange(7), np.ones(7, dtype=np.int64))] == [[4, 5]]


def test_photos_with_the_same_bytes() -> None:
    contents = np.array([7, 8, 7, 9, 8, 7, 0, 0], dtype=np.uint64)
    known = np.array([True] * 6 + [False] * 2)
    groups = same_bytes(contents, known, np.full(8, 100))
    assert [rows.tolist() for rows in groups] == [[0, 2, 5], [1, 4]]
    assert len(same_bytes(contents, np.zeros(8, dtype=bool), np.full(8, 100))) == 0


def test_many_photos_of_one_scene_are_one_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "MOST_PARTNERS", 3)
    values = np.arange(256, dtype=np.uint64)  # any two differ in up to 8 bits
    assert len(np.unique(connected(256, close_pairs(values, 4)))) == 1
