"""Accuracy of several networks on the same photographs, with 95 % intervals."""

from typing import Any

import numpy as np

from benchmarks.core.comparisons import compare_paired
from benchmarks.core.intervals import mean_per_class_interval, wilson
from export.verification.comparison import Comparison
from finetune.accuracy import confusion, hits, mean_per_class, per_class
from finetune.data.split import Split

ROWS = 10
"""Rows of the tables of classes and pairs."""


def figures(logits: np.ndarray, split: Split, reference: np.ndarray | None) -> dict[str, Any]:
    """Return top-1, top-5 and mean per-class accuracy with intervals, and the difference from a reference.

    Args:
        logits: float, shape (images, classes).
        split: the photographs.
        reference: logits of another network on the same photographs, or None.

    Returns:
        Shares from 0 to 1, their intervals, and differences of logits.
    """
    first, five = hits(logits, split.labels), hits(logits, split.labels, 5)
    result: dict[str, Any] = {
        "top1": float(first.mean()),
        "top1_interval": wilson(int(first.sum()), len(first)),
        "top5": float(five.mean()),
        "top5_interval": wilson(int(five.sum()), len(five)),
        "mean_per_class": mean_per_class(logits, split.labels),
        "mean_per_class_interval": mean_per_class_interval(first, split.labels),
    }
    if reference is not None:
        paired = compare_paired(first, hits(reference, split.labels))
        comparison = Comparison.of(logits, reference)
        result["against_reference"] = {
            "top1_difference": paired.difference,
            "top1_difference_interval": paired.interval,
            "p_value": paired.p_value,
            "gained": paired.gained,
            "lost": paired.lost,
            "agreement": comparison.agreement,
            "agreement_interval": wilson(round(comparison.agreement * len(logits)), len(logits)),
            "worst_logit_difference": comparison.worst_difference,
            "rms_logit_difference": comparison.rms_difference,
        }
    return result


def worst_classes(logits: np.ndarray, split: Split) -> list[dict[str, Any]]:
    """Return the classes with the lowest accuracy, and for each its most frequent wrong answer."""
    shares = per_class(logits, split.labels)
    table = confusion(logits.argmax(axis=1), split.labels, len(split.classes))
    counts = table.sum(axis=1)
    wrong = table.copy()
    np.fill_diagonal(wrong, 0)
    order = [index for index in np.argsort(shares, kind="stable") if counts[index]][:ROWS]
    return [
        {
            "name": split.classes[index],
            "images": int(counts[index]),
            "accuracy": float(shares[index]),
            "taken_for": split.classes[int(wrong[index].argmax())] if wrong[index].any() else None,
        }
        for index in order
    ]


def confused_pairs(logits: np.ndarray, split: Split) -> list[dict[str, Any]]:
    """Return the most frequent errors: true class, answer and count."""
    table = confusion(logits.argmax(axis=1), split.labels, len(split.classes))
    np.fill_diagonal(table, 0)
    order = np.argsort(-table, axis=None, kind="stable")[:ROWS]
    pairs = [(int(place) // len(table), int(place) % len(table)) for place in order]
    return [
        {"true": split.classes[true], "answer": split.classes[answer], "images": int(table[true, answer])}
        for true, answer in pairs
        if table[true, answer]
    ]
