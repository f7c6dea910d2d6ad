"""A progress line on a terminal."""

import itertools
import math
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TextIO

from runtime.errors import FlowerError

REDRAW_INTERVAL_S = 0.1
"""Shortest time between two drawings of the line, in seconds."""


class Progress:
    """Shows ``done of total`` photos and their rate on one line that is overwritten. Only terminals get it.

    Args:
        count: returns the number of photos, or None if there are too many to count; called only for a terminal.
        shown: whether to show progress.
        stream: by default standard error.
        in_background: count in a thread, and show the number when it is known. Otherwise count first.
    """

    def __init__(
        self,
        count: Callable[[], int | None],
        *,
        shown: bool = True,
        stream: TextIO | None = None,
        in_background: bool = False,
    ) -> None:
        self._stream = stream if stream is not None else sys.stderr
        terminal = shown and self._stream is not None and self._stream.isatty()
        self._total = count() if terminal and not in_background else None
        if terminal and in_background:
            threading.Thread(target=self._count, args=[count], daemon=True).start()
        # One photo needs no progress line.
        self._shown = terminal and self._total != 1
        self._done = 0
        self._started = self._drawn = time.monotonic()
        if self._shown:
            self._draw(self._started)

    def advance(self, photos: int = 1) -> None:
        """Count more photos as done."""
        self._done += photos
        now = time.monotonic()
        if self._shown and now - self._drawn >= REDRAW_INTERVAL_S:
            self._draw(now)

    def clear(self) -> None:
        """Remove the line, before other output or at the end."""
        if self._shown:
            # The next call of advance draws at once. Answers come in bursts, and the line would be missing in between.
            self._drawn = -math.inf
            self._stream.write("\r\x1b[K")
            self._stream.flush()

    def _count(self, count: Callable[[], int | None]) -> None:
        with suppress(FlowerError):  # the run itself says what is wrong
            self._total = count()

    def _draw(self, now: float) -> None:
        self._drawn = now
        rate = self._done / max(now - self._started, 1e-9)
        text = f"{self._done:,}{f' of {self._total:,}' if self._total else ''} photos"
        if self._done:
            text += f", {rate:.1f} a second"
        if self._total:
            text = f"[{'#' * (24 * self._done // self._total):<24}] {text}"
            if self._done:
                left = (self._total - self._done) / rate
                text += f", {int(left // 60)}:{int(left % 60):02} left"
        self._stream.write("\r\x1b[K" + text[: shutil.get_terminal_size().columns - 1])
        self._stream.flush()


def counted(photos: Iterable[object], most: int) -> int | None:
    """Return how many photos there are, or None if there are ``most`` or more. No more are looked at."""
    number = sum(1 for _ in itertools.islice(photos, most))
    return number if number < most else None
