"""Probabilities that mean something."""

import numpy as np
import pytest

from export.confidence import expected_calibration_error, fit_threshold
from runtime.answer import softmax


def test_the_threshold_lets_nineteen_of_twenty_flowers_pass() -> None:
    logits = np.random.default_rng(0).normal(size=(1000, 10)).astype(np.float32) * 4
    threshold = fit_threshold(logits, 2.0)
    passing = (softmax(logits / np.float32(2.0)).max(axis=1) >= threshold).mean()
    assert 0.95 <= passing <= 0.952
    assert fit_threshold(logits, 1.0) > threshold  # of surer probabilities


def test_the_calibration_error_is_the_gap_between_promise_and_truth() -> None:
    labels = np.array([0] * 8 + [1] * 2)
    sure = np.tile([0.8, 0.2], (10, 1))
    assert expected_calibration_error(sure, labels) == pytest.approx(0)
    assert expected_calibration_error(np.tile([1.0, 0.0], (10, 1)), labels) == pytest.approx(0.2)
    half = np.concatenate([np.tile([1.0, 0.0], (5, 1)), np.tile([0.6, 0.4], (5, 1))])
    assert expected_calibration_error(half, labels) == pytest.approx(0)  # 5 of 5 and 3 of 5
