"""A line on a terminal that tells how far a long run is."""

import math
import shutil
import sys
import time
from collections.abc import Callable
from typing import TextIO

EVERY_S = 0.1


class Progress:
    """``done of total`` photos and their rate, on one line that is written over, on a terminal and nowhere else.

    Args:
        count: counts the photos in all, or says None where they are too many; asked only where a person may look.
        shown: whether to show anything at all.
        stream: where a person may be looking; by default standard error.
    """

    def __init__(self, count: Callable[[], int | None], *, shown: bool = True, stream: TextIO | None = None) -> None:
        self._stream = stream if stream is not None else sys.stderr
        terminal = shown and self._stream is not None and self._stream.isatty()
        self._total = count() if terminal else None
        # Of one photo there is no progress to show.
        self._shown = terminal and self._total != 1
        self._done = 0
        self._started = self._drawn = time.monotonic()
        if self._shown:
            self._draw(self._started)

    def advance(self) -> None:
        """One more photo is done."""
        self._done += 1
        now = time.monotonic()
        if self._shown and now - self._drawn >= EVERY_S:
            self._draw(now)

    def clear(self) -> None:
        """Remove the line, for something else to be written or because all is done."""
        if self._shown:
            # Due again at once: answers come in bursts, and the line would be gone for as long as the next one takes.
            self._drawn = -math.inf
            self._stream.write("\r\x1b[K")
            self._stream.flush()

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
