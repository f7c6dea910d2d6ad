"""Names are sorted as `sorted` does it, with memory for one run of them."""

import errno
import os
import random
import tempfile
import tracemalloc
from collections.abc import Iterator
from io import FileIO

import pytest

from runtime import FlowerError
from runtime.photos.finding.sorted_names import sorted_names

NAMES = [f"IMG_{number:04}.jpg" for number in range(50)] + [
    "a\nb.jpg", "Rose \udcff\udce4.png", "\ue000.jpg", "🌼.jpg", "é.jpg", " .jpg", "x" * 4000, "IMG_0001.jpg",
]  # fmt: skip


@pytest.mark.parametrize("run_length", [1, 7, len(NAMES) - 1, len(NAMES), len(NAMES) + 1])
def test_the_order_is_that_of_sorted_with_runs_of_any_length(run_length: int) -> None:
    names = random.Random(0).sample(NAMES, len(NAMES))
    assert list(sorted_names(names, run_length)) == sorted(NAMES)
    assert list(sorted_names([], run_length)) == []


def test_memory_does_not_grow_with_the_names() -> None:
    number = 30_000
    names = (f"IMG_{position * 7919 % number:06}.jpg" for position in range(number))
    tracemalloc.start()
    try:
        assert sum(1 for _ in sorted_names(names, 1000)) == number
        assert tracemalloc.get_traced_memory()[1] < 1.2e6  # all names together take 2.4 MB
    finally:
        tracemalloc.stop()


def test_an_error_of_the_names_comes_before_the_first_name() -> None:
    def fail() -> Iterator[str]:
        yield from NAMES
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    for run_length in (3, 1000):
        with pytest.raises(OSError, match="Input/output error"):
            next(sorted_names(fail(), run_length))


def test_a_full_disk_is_an_error_with_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    class FullDisk(FileIO):
        def write(self, _: object) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: FullDisk(os.devnull, "rb+"))
    with pytest.raises(FlowerError, match=r"No space left on device.*TMPDIR"):
        next(sorted_names(NAMES, 3))
