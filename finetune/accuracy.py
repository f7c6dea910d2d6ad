"""Accuracy from logits, in numpy. All accuracies are fractions from 0 to 1."""

import numpy as np


def hits(logits: np.ndarray, labels: np.ndarray, k: int = 1) -> np.ndarray:
    """Return whether each label is among the k largest logits: bool, shape (images,).

    Ties go to the class with the lower index, as in `numpy.argmax` and in the runtime.
    """
    best = np.argsort(-logits, axis=1, kind="stable")[:, :k]
    correct: np.ndarray = (best == labels[:, np.newaxis]).any(axis=1)
    return correct


def top_k(logits: np.ndarray, labels: np.ndarray, k: int = 1) -> float:
    """Return the fraction of images whose label is among the k largest logits."""
    return float(hits(logits, labels, k).mean())


def per_class(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the top-1 accuracy of each class: float, shape (classes,), NaN for classes without images."""
    correct = np.bincount(labels, weights=hits(logits, labels), minlength=logits.shape[1])
    count = np.bincount(labels, minlength=logits.shape[1])
    accuracies: np.ndarray = np.divide(correct, count, out=np.full(len(count), np.nan), where=count > 0)
    return accuracies


def mean_per_class(logits: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean of the accuracies of the classes, in which every class has the same weight.

    This is the measure of Nilsback and Zisserman (see `finetune.data.oxford`).
    """
    return float(np.nanmean(per_class(logits, labels)))


def confusion(predicted: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """Return the confusion matrix: int64 counts, shape (classes, classes), row = true class, column = prediction."""
    return np.bincount(labels * classes + predicted, minlength=classes * classes).reshape(classes, classes)
