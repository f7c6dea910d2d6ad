"""Confident learning on probabilities whose confident joint is known."""

import numpy as np
import pytest

from benchmarks.archive.wrong_labels import NONE, find_wrong_labels, most_confused

# Of each photo: label, and the probabilities of three classes. Thresholds: 0.6, 0.7 and 0.5.
PHOTOS = (
    (0, (0.9, 0.1, 0.0)),
    (0, (0.8, 0.2, 0.0)),
    (0, (0.1, 0.85, 0.05)),  # counts for class 1
    (0, (0.6, 0.0, 0.4)),
    (1, (0.0, 1.0, 0.0)),
    (1, (0.65, 0.35, 0.0)),  # counts for class 0
    (1, (0.25, 0.75, 0.0)),
    (2, (0.0, 0.1, 0.9)),
    (2, (0.59, 0.31, 0.1)),  # reaches no threshold: 0.59 is below 0.6
)
JOINT = {(0, 0): 3, (0, 1): 1, (1, 1): 2, (1, 0): 1, (2, 2): 1}


def lists(probabilities: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    order = np.argsort(-probabilities, axis=1, kind="stable")[:, :most].astype(np.int32)
    return order, np.take_along_axis(probabilities, order, axis=1).astype(np.float32)


LABELS = np.array([label for label, _ in PHOTOS])
PROBABILITIES = np.array([probabilities for _, probabilities in PHOTOS])


@pytest.mark.parametrize("most", [3, 2])
def test_the_confident_joint_and_the_order_are_those_of_the_paper(most: int) -> None:
    wrong = find_wrong_labels(LABELS, *lists(PROBABILITIES, most), class_count=3)
    assert {(label, other): photos for label, other, photos in wrong.joint.tolist()} == JOINT
    assert wrong.rows.tolist() == [2, 5]
    assert wrong.suggested.tolist() == [1, 0]
    assert wrong.margins == pytest.approx([0.1 - 0.85, 0.35 - 0.65])
    assert wrong.of_label == pytest.approx([0.1, 0.35])
    assert wrong.of_suggested == pytest.approx([0.85, 0.65])
    assert wrong.checked == 9
    assert wrong.estimated == pytest.approx((4 * 1 / 4 + 3 * 1 / 3 + 2 * 0) / 9)
    assert most_confused(wrong.joint, 5) == [(0, 1, 1), (1, 0, 1)]
    assert len(most_confused(wrong.joint, 1)) == 1


def test_probability_that_is_not_listed_is_spread_over_the_other_classes() -> None:
    # Of 5 classes, the list has one; the label has a quarter of the rest.
    wrong = find_wrong_labels(
        np.array([0, 0, 1]), np.array([[0], [1], [1]], np.int32), np.array([[0.9], [0.8], [0.7]], np.float32), 5
    )
    assert wrong.rows.tolist() == [1]
    assert wrong.of_label == pytest.approx([0.05])


def test_a_class_that_is_no_label_can_be_suggested() -> None:
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.05, 0.95]])
    wrong = find_wrong_labels(np.array([0, 0, 0]), *lists(probabilities, 2), class_count=2)
    assert wrong.rows.tolist() == [2]
    assert wrong.suggested.tolist() == [1]


def test_photos_without_label_or_answer_are_left_out() -> None:
    listed, shares = lists(PROBABILITIES, 3)
    listed[8], shares[8] = NONE, 0
    wrong = find_wrong_labels(np.where(np.arange(9) == 7, NONE, LABELS), listed, shares, 3)
    assert wrong.checked == 7
    assert wrong.rows.tolist() == [2, 5]
    nothing = find_wrong_labels(np.full(9, NONE), listed, shares, 3)
    assert nothing.checked == len(nothing.rows) == nothing.estimated == len(most_confused(nothing.joint, 3)) == 0
    assert find_wrong_labels(LABELS, np.empty((9, 0), np.int32), np.empty((9, 0), np.float32), 3).checked == 0
