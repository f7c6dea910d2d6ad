"""Accuracy from logits, in numpy. All shares are 0 to 1."""

import numpy as np


def hits(logits: np.ndarray, labels: np.ndarray, k: int = 1) -> np.ndarray:
    """Whether the label is among the k largest logits: bool, shape (images,).

    Ties go to the class with the lower index, as in `numpy.argmax` and in the runtime.
    """
    best = np.argsort(-logits, axis=1, kind="stable")[:, :k]
    return (best == labels[:, np.newaxis]).any(axis=1)


def top_k(logits: np.ndarray, labels: np.ndarray, k: int = 1) -> float:
    """Share of images whose label is among the k largest logits."""
    return float(hits(logits, labels, k).mean())


def per_class(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Top-1 of each class that occurs: float, shape (classes,), NaN for classes without images."""
    right = np.bincount(labels, weights=hits(logits, labels), minlength=logits.shape[1])
    count = np.bincount(labels, minlength=logits.shape[1])
    return np.divide(right, count, out=np.full(len(count), np.nan), where=count > 0)


def mean_per_class(logits: np.ndarray, labels: np.ndarray) -> float:
    """Mean of the classes' own accuracies: the measure of Nilsback and Zisserman, blind to class sizes."""
    return float(np.nanmean(per_class(logits, labels)))


def confusion(predicted: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """Counts: int64, shape (classes, classes), row = true class, column = predicted class."""
    return np.bincount(labels * classes + predicted, minlength=classes * classes).reshape(classes, classes)
