"""The memory that all threads together may use for decoding photos.

A device with 512 MB can decode one photo of the largest size, or several usual ones at a time, but not several of the
largest.
"""

import ctypes
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache

import numpy as np
from PIL import Image

from runtime.photos.formats import FORMATS, format_of

BUDGET_BYTES = 240_000_000
"""Memory for decoding. A photo that needs more is decoded alone."""
LARGE_FILE_BYTES = 16_000_000
"""While a larger file is read and decoded, no other photo is decoded."""
LARGEST_REDUCTION = 8
"""libjpeg decodes at 1/8 of the size or more."""
LARGE_DECODING_BYTES = 32_000_000
"""Before decoding that needs more, memory that is left from other photos is given back to the system."""
COEFFICIENT_BYTES = 6
"""libjpeg holds three coefficients of 16 bits for each pixel of a picture in several scans."""
OTHER_BYTES_PER_PIXEL = 8


class MemoryBudget:
    """Lets threads use memory in the order in which they asked for it, so that a large photo is not passed over.

    Args:
        limit: bytes.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.reset()

    def reset(self) -> None:
        """Forget all reservations: in a new process, which has none of the threads that made them."""
        self._used = 0
        self._waiting: deque[object] = deque()
        self._changed = threading.Condition()

    @contextmanager
    def reserve(self, count: int) -> Iterator[None]:
        """Wait until ``count`` bytes are free, and use them until the context ends. A thread must not do this twice.

        Args:
            count: bytes; more than the limit waits until nothing else is in use.
        """
        count = min(count, self._limit)
        with self._changed:
            self._waiting.append(turn := object())
            try:
                self._changed.wait_for(lambda: self._waiting[0] is turn and self._used + count <= self._limit)
                self._used += count
            finally:
                self._waiting.remove(turn)
                self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._used -= count
                self._changed.notify_all()


DECODING_MEMORY = MemoryBudget(BUDGET_BYTES)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=DECODING_MEMORY.reset)


@cache
def _trim_function() -> Callable[[int], int] | None:
    """Return glibc's ``malloc_trim``, or None with another C library."""
    try:
        function: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
        return function
    except (AttributeError, OSError, TypeError):
        return None


def give_back_free_memory() -> None:
    """Return memory that is free in this process to the system.

    glibc keeps what was freed in blocks of up to 32 MB, separately for each thread. After a few large photos that is
    several times as much as any of them needs.
    """
    if trim := _trim_function():
        trim(0)


def has_memory_for(count: int) -> bool:
    """Return whether the system lets this process have ``count`` bytes more. They are not touched."""
    try:
        np.empty(count, np.uint8)
    except MemoryError:
        return False
    return True


def decoding_bytes(image: Image.Image, min_side: int | None) -> int:
    """Return about how much memory decoding an image takes, without the file itself.

    Args:
        image: opened by Pillow, not yet decoded.
        min_side: as in `runtime.photos.open_photo.open_photo`.
    """
    pixels = image.width * image.height
    photo_format = format_of(image)
    if photo_format is None or photo_format is not FORMATS["JPEG"]:
        return pixels * (photo_format.bytes_per_pixel if photo_format else OTHER_BYTES_PER_PIXEL)
    coefficients = pixels * COEFFICIENT_BYTES if image.info.get("progressive") else 0
    reduction = 1
    while min_side and reduction < LARGEST_REDUCTION and min(image.size) >= 2 * reduction * min_side:
        reduction *= 2
    return coefficients + pixels // reduction**2 * photo_format.bytes_per_pixel
