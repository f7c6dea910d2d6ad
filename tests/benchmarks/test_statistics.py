"""Accuracy figures, intervals and interleaved timing."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.core.intervals import bootstrap_difference, bootstrap_mean_per_class, wilson
from benchmarks.core.timing import interleaved, percentiles, rotating_rounds, speedup
from benchmarks.measurements.accuracy import confused_pairs, worst_classes
from finetune.accuracy import confusion, mean_per_class, per_class, top_k
from finetune.data.split import Split

LABELS = np.array([0, 0, 0, 0, 1, 1, 2])
ANSWERS = np.array([0, 0, 0, 1, 1, 2, 1])
LOGITS = np.eye(4)[ANSWERS]
SPLIT = Split("test", tuple(Path(str(index)) for index in range(7)), LABELS, ("rose", "lily", "iris", "fern"), 7)


def test_accuracy() -> None:
    assert top_k(LOGITS, LABELS) == pytest.approx(4 / 7)
    assert per_class(LOGITS, LABELS) == pytest.approx([0.75, 0.5, 0, np.nan], nan_ok=True)
    assert mean_per_class(LOGITS, LABELS) == pytest.approx(1.25 / 3)
    assert confusion(ANSWERS, LABELS, 4).tolist() == [[3, 1, 0, 0], [0, 1, 1, 0], [0, 1, 0, 0], [0, 0, 0, 0]]
    # Image 5 is a lily, and the answer is iris. The other logits are equal, and then the lower index comes first.
    assert top_k(LOGITS, LABELS, 2) == pytest.approx(5 / 7)
    assert top_k(LOGITS, LABELS, 4) == 1


def test_worst_classes_and_confused_pairs() -> None:
    assert [entry["name"] for entry in worst_classes(LOGITS, SPLIT)] == ["iris", "lily", "rose"]
    assert worst_classes(LOGITS, SPLIT)[0]["taken_for"] == "lily"
    assert confused_pairs(LOGITS, SPLIT)[0] == {"true": "rose", "answer": "lily", "images": 1}


def test_wilson_interval_equals_that_of_r() -> None:
    # R: prop.test(81, 263, correct = FALSE)
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert wilson(0, 10)[0] == 0
    assert wilson(10, 10)[1] == pytest.approx(1)


def test_bootstrap_intervals_contain_the_figure() -> None:
    random = np.random.default_rng(1)
    labels = np.repeat(np.arange(10), 100)
    hits = random.random(1000) < 0.9
    low, high = bootstrap_mean_per_class(hits, labels)
    assert low < hits.mean() < high
    assert 0.02 < high - low < 0.06
    assert bootstrap_difference(hits, hits) == (0, 0)
    other = hits.copy()
    other[:10] = ~other[:10]
    low, high = bootstrap_difference(hits, other)
    assert low <= hits.mean() - other.mean() <= high


def test_every_contestant_runs_once_in_every_round() -> None:
    order: list[str] = []
    seconds = interleaved({name: lambda name=name: order.append(name) for name in "ab"}, 4, "test")  # type: ignore[misc]  # mypy infers no type for a lambda's default
    assert "".join(order)[-8:] == "abbaabba"
    assert seconds["a"].shape == (4,)
    assert list(rotating_rounds("abc", 2)) == [(0, ["a", "b", "c"]), (1, ["b", "c", "a"])]


def test_percentiles_and_speedup() -> None:
    seconds = np.arange(1, 102) / 1000
    assert percentiles(seconds)["p50_ms"] == pytest.approx(51)
    assert percentiles(seconds)["p99_ms"] == pytest.approx(100)
    assert speedup(seconds, 3 * seconds) == pytest.approx({"median": 3, "p25": 3, "p75": 3})
