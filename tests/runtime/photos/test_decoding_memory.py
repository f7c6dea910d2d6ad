"""The memory that all threads together use for decoding."""

import io
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from runtime.photos.decoding_memory import BUDGET_BYTES, MemoryBudget, decoding_bytes
from runtime.photos.formats import FORMATS
from runtime.photos.open_photo import open_photo


@settings(max_examples=30)
@given(st.lists(st.integers(0, 150), min_size=1, max_size=12))
def test_threads_never_use_more_than_the_budget_and_all_end(counts: list[int]) -> None:
    budget, lock, used, most = MemoryBudget(100), threading.Lock(), [0], [0]

    def use(count: int) -> None:
        with budget.reserve(count):
            with lock:
                used[0] += min(count, 100)
                most[0] = max(most[0], used[0])
            with lock:
                used[0] -= min(count, 100)

    threads = [threading.Thread(target=use, args=(count,), daemon=True) for count in counts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads)
    assert most[0] <= 100


def test_a_large_photo_is_not_passed_over_by_small_ones() -> None:
    budget, order = MemoryBudget(100), []
    waiting = threading.Event()

    def use(name: str, count: int) -> None:
        waiting.set()
        with budget.reserve(count):
            order.append(name)

    with budget.reserve(50):
        large = threading.Thread(target=use, args=("large", 100))
        large.start()
        waiting.wait(10)
        while not budget._waiting:
            threading.Event().wait(0.001)
        small = threading.Thread(target=use, args=("small", 10))
        small.start()
        small.join(0.1)
        assert order == []
    for thread in (large, small):
        thread.join(10)
    assert order == ["large", "small"]


def test_need_of_a_photo() -> None:
    class Header(Image.Image):
        """An image that is opened and not decoded."""

        size = (4000, 3000)
        format = "JPEG"

    image = Header()
    assert decoding_bytes(image, None) == 48_000_000
    assert decoding_bytes(image, 512) == 48_000_000 // 16
    image.info["progressive"] = 1
    assert decoding_bytes(image, 512) == 72_000_000 + 3_000_000
    Header.format = "WEBP"
    assert decoding_bytes(image, 512) == 12_000_000 * FORMATS["WEBP"].bytes_per_pixel < BUDGET_BYTES


@pytest.mark.parametrize("orientation", [1, 6])
def test_very_large_picture_is_reduced_in_strips(orientation: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.photos.rgb.REDUCED_PIXELS", 300 * 200)
    random = np.random.default_rng(0)
    small = random.integers(0, 256, (67, 131, 4), dtype=np.uint8)
    small[..., 3] |= 128
    array = small.repeat(3, axis=0).repeat(3, axis=1)
    exif = Image.Exif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG", exif=exif)
    reduced, whole = (np.asarray(open_photo(buffer.getvalue(), min_side=side)) for side in (64, None))
    assert reduced.shape == ((131, 67, 3) if orientation == 6 else (67, 131, 3))
    assert np.array_equal(reduced, whole[::3, ::3])
