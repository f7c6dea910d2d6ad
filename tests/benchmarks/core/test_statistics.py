"""Accuracy figures, intervals and interleaved timing."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from benchmarks.core.comparisons import compare_over_seeds, compare_paired, holm, paired_score_interval
from benchmarks.core.intervals import mean_per_class_interval, wilson
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


def test_interval_of_the_mean_per_class_has_a_width_if_every_class_is_right() -> None:
    labels = np.repeat(np.arange(10), 10)
    assert mean_per_class_interval(np.ones(100, bool), labels) == wilson(100, 100)
    # One photograph of 10 classes and 99 of another count like 11 * 11 / (10 + 1 / 99) photographs.
    unequal = np.concatenate([np.arange(10), np.full(99, 10)])
    low, high = mean_per_class_interval(np.ones(109, bool), unequal)
    assert (low, high) == pytest.approx(wilson(12.088, 12.088), abs=1e-4)
    mixed = np.arange(100) % 4 > 0
    low, high = mean_per_class_interval(mixed, labels)
    assert low < mixed.mean() < high


def test_interval_of_the_mean_per_class_covers_it_if_small_classes_are_difficult() -> None:
    counts, accuracy = np.repeat([50, 3], [90, 12]), np.repeat([0.98, 0.5], [90, 12])
    labels = np.repeat(np.arange(102), counts)
    random = np.random.default_rng(0)
    intervals = [mean_per_class_interval(random.random(len(labels)) < accuracy[labels], labels) for _ in range(200)]
    # With Kish's effective number alone, it is 0.78 of them.
    assert np.mean([low <= accuracy.mean() <= high for low, high in intervals]) > 0.87


def test_paired_score_interval_and_exact_test() -> None:
    # Without discordant pairs, Tango's interval is z² / (n + z²) to both sides.
    assert paired_score_interval(0, 0, 1020) == pytest.approx((-0.003752, 0.003752), abs=1e-6)
    assert paired_score_interval(5, 0, 5) == pytest.approx((0.1306, 1), abs=1e-3)
    low, high = paired_score_interval(3, 12, 1020)
    assert (-high, -low) == pytest.approx(paired_score_interval(12, 3, 1020))
    hits, reference = np.ones(100, bool), np.ones(100, bool)
    hits[:2], reference[50:58] = False, False
    compared = compare_paired(hits, reference)
    assert (compared.gained, compared.lost) == (8, 2)
    assert compared.difference == pytest.approx(0.06)
    # R: binom.test(8, 10)
    assert compared.p_value == pytest.approx(0.1094, abs=1e-4)
    assert compare_paired(hits, hits).p_value == 1


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 300))
def test_paired_score_interval_contains_the_difference(gained: int, lost: int, equal: int) -> None:
    images = gained + lost + equal
    assume(images)
    low, high = paired_score_interval(gained, lost, images)
    assert -1 <= low <= (gained - lost) / images <= high <= 1
    assert low < high


def test_comparison_over_seeds_counts_the_seeds_as_well() -> None:
    random = np.random.default_rng(0)
    reference = random.random((3, 400)) < 0.8
    worse = reference & (random.random((3, 400)) < 0.9)
    mean, (low, high), p_value = compare_over_seeds(worse, reference)
    assert low < mean < high < 0
    assert p_value < 0.01
    # The same photographs, but the seeds disagree: what one seed loses, another one gains.
    mean, (low, high), p_value = compare_over_seeds(
        np.stack([worse[0], reference[1], reference[2]]), np.stack([reference[0], worse[1], reference[2]])
    )
    assert low < mean < high
    assert low < 0 < high
    assert p_value > 0.5
    _, (low, high), _ = compare_over_seeds(np.ones((3, 100)), np.zeros((3, 100)))
    assert 0.9 < low < 1 < high
    same = compare_over_seeds(reference, reference)
    assert same[0] == 0
    assert same[1][0] < 0 < same[1][1]


def test_holm_correction_equals_that_of_r() -> None:
    # R: p.adjust(c(0.01, 0.04, 0.03, 0.5), "holm")
    assert holm([0.01, 0.04, 0.03, 0.5]) == pytest.approx([0.04, 0.09, 0.09, 0.5])
    assert holm([]) == []


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
