"""Decoding photos in threads before the network needs them."""

import itertools
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.errors import FlowerError, OutOfMemoryError, PhotoError
from runtime.photos.prefetch import PrefetchDecoder


def take_all(decoder: PrefetchDecoder[int, int], limit: int = 3) -> list[tuple[int, int | FlowerError]]:
    results = []
    while batch := decoder.next_batch(limit):
        assert len(batch) <= limit
        results += batch
    return results


@settings(max_examples=50)
@given(st.integers(0, 40), st.integers(1, 4), st.integers(1, 9), st.integers(1, 5), st.booleans())
def test_results_keep_their_order(count: int, threads: int, depth: int, limit: int, alternate: bool) -> None:
    decoder = PrefetchDecoder(
        range(count), lambda number: number * number, threads=threads, depth=depth, alternate=alternate
    )
    assert take_all(decoder, limit) == [(number, number * number) for number in range(count)]


def test_at_most_depth_items_are_decoded_in_advance() -> None:
    asked: list[int] = []
    enough = threading.Event()

    def source() -> Iterator[int]:
        for number in itertools.count():
            asked.append(number)
            if number == 4:
                enough.set()
            yield number

    decoder = PrefetchDecoder(source(), lambda number: number, threads=3, depth=5)
    assert enough.wait(10)
    assert decoder.next_batch(1) == [(0, 0)]
    decoder.close()
    for thread in decoder._threads:
        thread.join(10)
    assert len(asked) <= 6


def test_alternating_decoder_starts_nothing_while_results_remain(monkeypatch: pytest.MonkeyPatch) -> None:
    # On a busy machine, the source must not be taken to be waiting for input.
    monkeypatch.setattr("runtime.photos.prefetch.SOURCE_TIMEOUT_S", 60)
    asked: list[int] = []

    def source() -> Iterator[int]:
        for number in itertools.count():
            asked.append(number)
            yield number

    decoder = PrefetchDecoder(source(), lambda number: number, threads=3, depth=4, alternate=True)
    begun = []
    for limit, count in ((2, 1), (2, 2), (2, 2), (1, 1), (1, 1), (2, 2)):
        found = decoder.next_batch(limit)
        assert len(found) == count
        begun.append(len(asked))
    decoder.close()
    # One at first, then two, then four at a time, and no more while results remain.
    assert begun == [1, 3, 7, 7, 7, 11]


@pytest.mark.parametrize("alternate", [False, True])
def test_results_can_be_taken_while_the_source_waits(alternate: bool) -> None:
    more = threading.Event()

    def source() -> Iterator[int]:
        yield 1
        more.wait(10)
        yield 2

    decoder = PrefetchDecoder(source(), lambda number: number, threads=2, depth=8, alternate=alternate)
    assert decoder.next_batch(8) == [(1, 1)]
    more.set()
    assert decoder.next_batch(8) == [(2, 2)]
    assert decoder.next_batch(8) == []


def test_a_flower_error_keeps_its_place_and_other_errors_end_the_iteration() -> None:
    def decode(number: int) -> int:
        if number == 1:
            raise PhotoError("damaged")
        if number == 3:
            raise ZeroDivisionError
        return number

    decoder = PrefetchDecoder(range(9), decode, threads=2, depth=4)
    found: list[tuple[int, int | FlowerError]] = []
    while len(found) < 3:
        found += decoder.next_batch(2)
    with pytest.raises(ZeroDivisionError):
        decoder.next_batch(2)
    assert [number for number, _ in found] == [0, 1, 2]
    assert isinstance(found[1][1], PhotoError)


def test_an_error_of_the_source_is_raised_after_its_results() -> None:
    def source() -> Iterator[int]:
        yield 1
        raise KeyError("camera")

    decoder = PrefetchDecoder(source(), lambda number: number, threads=2, depth=4)
    assert decoder.next_batch(4) == [(1, 1)]
    with pytest.raises(KeyError):
        decoder.next_batch(4)


class FullResults(dict):  # type: ignore[type-arg]
    """Stands for a process without memory."""

    def __setitem__(self, key: object, value: object) -> None:
        raise MemoryError


@pytest.mark.parametrize("count", [1, 100])
def test_a_thread_that_ends_for_lack_of_memory_is_an_error(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.photos.prefetch.CHECK_THREADS_S", 0.01, raising=False)
    ready = threading.Event()

    def source() -> Iterator[int]:
        ready.wait(10)
        yield from range(count)

    decoder = PrefetchDecoder(source(), lambda number: number, threads=2, depth=4)
    decoder._results = FullResults()
    ready.set()
    with ThreadPoolExecutor(1) as pool:
        found = pool.submit(decoder.next_batch, 4)
        try:
            assert isinstance(found.exception(10), OutOfMemoryError)
        finally:
            decoder._decoding, decoder._exhausted = 0, True  # so that a wait ends
