"""Interleaved timing: each contestant runs once in every round, so changes of the machine's speed affect all alike.

Speed is compared by the ratios within a round, of which the median and the quartiles are reported. A. Georges et al.,
"Statistically rigorous Java performance evaluation", OOPSLA 2007, describes why single timings mislead.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from tqdm import tqdm

Contestant = TypeVar("Contestant")
WARMUP = 5
PAUSE_S = 0.02
"""Seconds before each timed run. Threads of the run before may still spin for some milliseconds and use the cores."""


def rotating_rounds(contestants: Sequence[Contestant], rounds: int) -> Iterator[tuple[int, list[Contestant]]]:
    """Yield the index of each round and the order of the contestants in it, which rotates from round to round."""
    for index in range(rounds):
        start = index % len(contestants)
        yield index, [*contestants[start:], *contestants[:start]]


def interleaved(
    contestants: Mapping[str, Callable[[], object]], rounds: int, title: str, *, warmup: int = WARMUP
) -> dict[str, np.ndarray]:
    """Time every contestant once in each round.

    Args:
        contestants: by name.
        rounds: how many.
        title: of the progress bar.
        warmup: runs of each contestant before the first round, which are not timed.

    Returns:
        Name → seconds of each run, float, shape (rounds,).
    """
    seconds = {name: np.zeros(rounds) for name in contestants}
    for run in contestants.values():
        for _ in range(warmup):
            run()
    order = rotating_rounds(list(contestants), rounds)
    for index, names in tqdm(order, total=rounds, desc=title, unit="round", disable=None):
        for name in names:
            time.sleep(PAUSE_S)
            started = time.perf_counter()
            contestants[name]()
            seconds[name][index] = time.perf_counter() - started
    return seconds


def percentiles(seconds: np.ndarray) -> dict[str, float]:
    """Return median, quartiles, and the 95th and 99th percentile in milliseconds."""
    p25, p50, p75, p95, p99 = (1000 * np.percentile(seconds, [25, 50, 75, 95, 99])).tolist()
    return {"p25_ms": p25, "p50_ms": p50, "p75_ms": p75, "p95_ms": p95, "p99_ms": p99}


def quartiles(values: np.ndarray) -> dict[str, float]:
    """Return median and quartiles."""
    p25, p50, p75 = np.percentile(values, [25, 50, 75]).tolist()
    return {"median": p50, "p25": p25, "p75": p75}


def speedup(seconds: np.ndarray, reference: np.ndarray) -> dict[str, Any]:
    """Return how many times as fast as ``reference``: median and quartiles of the ratios within each round."""
    return quartiles(reference / seconds)
