"""Latency and throughput, interleaved: every contestant runs once in each round, so drift of the machine hits all."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from tqdm import tqdm

Contestants = Mapping[str, Callable[[], object]]
WARMUP = 5
SETTLE_S = 0.02
"""Pause before each timed run: the threads of the one before may spin for some milliseconds and get in the way."""


def interleaved(contestants: Contestants, rounds: int, title: str, *, warmup: int = WARMUP) -> dict[str, np.ndarray]:
    """Seconds of each run: shape (rounds,) for each contestant. The order turns from round to round.

    Args:
        contestants: by name.
        rounds: in which each runs once.
        title: of the progress bar.
        warmup: runs of each before, which do not count.
    """
    names = list(contestants)
    seconds = {name: np.zeros(rounds) for name in names}
    for name in names:
        for _ in range(warmup):
            contestants[name]()
    for index in tqdm(range(rounds), desc=title, unit="round", disable=None):
        turn = index % len(names)
        for name in names[turn:] + names[:turn]:
            time.sleep(SETTLE_S)
            started = time.perf_counter()
            contestants[name]()
            seconds[name][index] = time.perf_counter() - started
    return seconds


def percentiles(seconds: np.ndarray) -> dict[str, float]:
    """Median, tail and spread, in milliseconds."""
    p25, p50, p75, p95, p99 = (1000 * np.percentile(seconds, [25, 50, 75, 95, 99])).tolist()
    return {"p25_ms": p25, "p50_ms": p50, "p75_ms": p75, "p95_ms": p95, "p99_ms": p99}


def speedup(seconds: np.ndarray, reference: np.ndarray) -> dict[str, Any]:
    """How many times as fast as ``reference``, round by round: median and quartiles of the ratios."""
    p25, p50, p75 = np.percentile(reference / seconds, [25, 50, 75]).tolist()
    return {"median": p50, "p25": p25, "p75": p75}
