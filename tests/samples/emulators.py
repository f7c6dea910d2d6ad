"""The downloaded emulators, for tests that run a model on another processor."""

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.environments.emulators import EmulationError


def fetch_or_skip(fetch: Callable[[Path], object]) -> Path:
    """Return the folder that ``fetch`` filled with emulators; skip the test where there can be none."""
    cache = Path("runs/emulators").resolve()
    try:
        fetch(cache)
    except EmulationError as error:
        pytest.skip(f"no emulation here: {error}")
    return cache
