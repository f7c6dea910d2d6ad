"""Ending in order when ``kill`` or a service manager asks for it."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

EXIT_TERMINATED = 143
"""Exit status after SIGTERM, as of a process that does not handle it."""


@contextmanager
def terminable(on_signal: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Turn SIGTERM into `SystemExit` inside the context, so that everything that is open is closed.

    Args:
        on_signal: is called when the signal comes.
    """

    def terminate(_: int, __: FrameType | None) -> None:
        on_signal()
        raise SystemExit(EXIT_TERMINATED)

    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
