"""What each lever of a smaller network loses at equal time: smaller photos, narrower blocks, fewer blocks.

All levers start from one network for photos of one size, and each is moved alone. Between two points that were
measured, a lever is interpolated: linear in the logarithm of the time, photograph by photograph, so that the interval
of a difference is one of pairs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from benchmarks.core.comparisons import mean_difference
from benchmarks.measurements.training.int8_files import from_digits

LEVERS = {"size": "smaller photos", "widths": "narrower blocks", "blocks": "fewer blocks"}
SPEEDS = (1.25, 1.5, 2.0, 3.0, 4.0)
"""Times as fast as the start, at which the levers are compared."""


@dataclass(frozen=True, eq=False)
class Point:
    """One network for photos of one size, as it was measured."""

    figures: Mapping[str, Any]
    """``network``, ``plan`` (``work`` and ``drop_blocks``; None for the full network), ``size``, ``p50_ms``, ``hits``,
    and what else the report has of it."""

    @property
    def size(self) -> int:
        """Side of the photos, pixels."""
        return int(self.figures["size"])

    @property
    def ms(self) -> float:
        """Median time of one photo."""
        return float(self.figures["p50_ms"])

    @cached_property
    def hits(self) -> np.ndarray:
        """Where the network is right: float, 0 or 1, shape (images,)."""
        return from_digits(self.figures["hits"]).astype(float)

    @property
    def top1(self) -> float:
        """Share of the photographs, 0 to 1."""
        return float(self.hits.mean())


def pareto_front(points: Sequence[Point]) -> list[Point]:
    """Return the points that no other one beats in time without being less accurate, the fastest first."""
    front: list[Point] = []
    for point in sorted(points, key=lambda point: (point.ms, -point.top1)):
        if not front or point.top1 > front[-1].top1:
            front.append(point)
    return front


def compare_levers(points: Sequence[Point]) -> dict[str, Any] | None:
    """Compare the levers at each of `SPEEDS`.

    Args:
        points: of all networks and sizes.

    Returns:
        The start, and for each speed what each lever loses against it; None if no network was trained with nothing
        removed. The start is that network at its most accurate size.
    """
    control = [point for point in points if _plan(point) == (1.0, 0)]
    if not control:
        return None
    start = max(control, key=lambda point: (point.top1, -point.size))
    paths = {lever: _path(lever, start, points) for lever in LEVERS}
    rows = [_at_speed(speed, start, paths, points) for speed in SPEEDS]
    return {"start": start.figures, "rows": [row for row in rows if row["levers"]]}


def _plan(point: Point) -> tuple[float, int] | None:
    plan = point.figures["plan"]
    return None if plan is None else (float(plan["work"]), int(plan["drop_blocks"]))


def _path(lever: str, start: Point, points: Sequence[Point]) -> list[Point]:
    """Return the points that a lever reaches from the start, with the start, the fastest first."""
    slim = [(point, plan) for point in points if (plan := _plan(point)) is not None]
    reached = {
        "size": [point for point, plan in slim if plan == (1.0, 0) and point.size <= start.size],
        "widths": [point for point, (_, blocks) in slim if blocks == 0 and point.size == start.size],
        "blocks": [point for point, (work, _) in slim if work == 1 and point.size == start.size],
    }
    return sorted(reached[lever], key=lambda point: point.ms)


def _at_time(path: Sequence[Point], ms: float) -> np.ndarray | None:
    """Return where a lever is right at a time: float, 0 to 1, shape (images,); None if it does not reach the time."""
    times = [point.ms for point in path]
    if not times[0] <= ms <= times[-1]:
        return None
    above = max(1, int(np.searchsorted(times, ms)))
    fast, slow = path[above - 1], path[min(above, len(path) - 1)]
    share = 0.0 if fast is slow else float(np.log(ms / fast.ms) / np.log(slow.ms / fast.ms))
    return (1 - share) * fast.hits + share * slow.hits


def _at_speed(speed: float, start: Point, paths: Mapping[str, Sequence[Point]], points: Sequence[Point]) -> Any:
    """Return what each lever that reaches a speed loses, which loses least, and the best of all points."""
    ms = start.ms / speed
    reached = {lever: hits for lever, path in paths.items() if (hits := _at_time(path, ms)) is not None}
    order = sorted(reached, key=lambda lever: -reached[lever].mean())
    # Without the full network: its training was longer.
    within = [point for point in points if _plan(point) is not None and point.ms <= ms]
    best = max(within, key=lambda point: point.top1, default=None)
    return {
        "speed": speed,
        "ms": ms,
        "levers": {lever: mean_difference(hits - start.hits) for lever, hits in reached.items()},
        "least": order[0] if order else None,
        "ahead": mean_difference(reached[order[0]] - reached[order[1]]) if len(order) > 1 else None,
        "best": best and {**best.figures, "difference": mean_difference(best.hits - start.hits)},
    }
