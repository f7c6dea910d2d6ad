"""Labels that are probably wrong, by confident learning.

C. Northcutt, L. Jiang and I. Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels", JAIR 70, 2021. A
photo counts for the most probable one of the classes whose thresholds its probabilities reach. The threshold of a class
is its mean probability among the photos that are labelled with it. The confident joint counts photos by label and by
the class that they count for. Photos off its diagonal probably have a wrong label. They are ranked by the normalised
margin: the probability of the label less the largest one of another class.

The table has the probabilities of a photo's most probable classes only. The rest of the probability is spread evenly
over the other classes. A class that no photo is labelled with, which the paper does not have, gets the mean of the
other thresholds.
"""

from dataclasses import dataclass

import numpy as np

NONE = -1
"""The label of a photo without one, and the class of a photo that counts for none."""
BLOCK = 2**18
"""Photos that are looked at at once."""


@dataclass(frozen=True)
class WrongLabels:
    """What confident learning says about labels."""

    rows: np.ndarray
    """int64: the photos whose labels are probably wrong, worst first."""
    suggested: np.ndarray
    """int32: the class that each of them counts for."""
    of_label: np.ndarray
    """float32: the probability of the label of each of them."""
    of_suggested: np.ndarray
    """float32: the probability of that class."""
    margins: np.ndarray
    """float32: the normalised margin of each of them, -1 to 1."""
    joint: np.ndarray
    """int64, shape (pairs, 3): the confident joint. Label, class that photos count for, and photos, of each pair of
    classes with any photos."""
    checked: int
    """Photos with a label and an answer."""
    estimated: float
    """The estimated share of wrong labels among them: the mass off the diagonal of the joint after it was scaled to the
    numbers of labels."""


def find_wrong_labels(given: np.ndarray, listed: np.ndarray, shares: np.ndarray, class_count: int) -> WrongLabels:
    """Compare the labels of photos with the probabilities of a model that was not trained on these labels.

    Args:
        given: int, shape (photos,): the label of each, or `NONE`.
        listed: int32, shape (photos, most): the most probable classes, or `NONE`.
        shares: float32, shape (photos, most): their probabilities.
        class_count: classes of the model. The classes in ``given`` and ``listed`` are below.
    """
    rows = np.flatnonzero((given != NONE) & (listed != NONE).any(axis=1)) if listed.shape[1] else np.empty(0, np.int64)
    labels = given[rows]
    of_label = np.concatenate(
        [np.empty(0, np.float32)]
        + [_of_label(labels[at], listed[rows[at]], shares[rows[at]], class_count) for at in _blocks(len(rows))]
    )
    thresholds = _thresholds(labels, of_label, int(max(labels.max(initial=0), listed.max(initial=0))) + 1)
    counted = np.full(len(rows), NONE, dtype=np.int32)
    of_counted, margins = np.empty((2, len(rows)), dtype=np.float32)
    for at in _blocks(len(rows)):
        counted[at], of_counted[at], margins[at] = _counted_and_margins(
            labels[at], of_label[at], listed[rows[at]], shares[rows[at]], thresholds
        )
    pairs, photos = np.unique(np.stack([labels, counted], axis=1)[counted != NONE], axis=0, return_counts=True)
    joint = np.concatenate([pairs, photos[:, np.newaxis]], axis=1)
    off = np.flatnonzero((counted != NONE) & (counted != labels))
    off = off[np.argsort(margins[off], kind="stable")]
    return WrongLabels(
        rows=rows[off],
        suggested=counted[off],
        of_label=of_label[off],
        of_suggested=of_counted[off],
        margins=margins[off],
        joint=joint,
        checked=len(rows),
        estimated=_estimated_share(joint, labels),
    )


def most_confused(joint: np.ndarray, most: int) -> list[tuple[int, int, int]]:
    """Return the pairs off the diagonal of a confident joint with the most photos: label, class, photos."""
    off = joint[joint[:, 0] != joint[:, 1]]
    most_first = off[np.argsort(-off[:, 2], kind="stable")]
    return [(label, other, photos) for label, other, photos in most_first[:most].tolist()]


def _blocks(count: int) -> list[slice]:
    return [slice(start, start + BLOCK) for start in range(0, count, BLOCK)]


def _of_label(labels: np.ndarray, listed: np.ndarray, shares: np.ndarray, class_count: int) -> np.ndarray:
    """Return the probability of each photo's label."""
    is_label = listed == labels[:, np.newaxis]
    others = np.maximum(1, class_count - (listed != NONE).sum(axis=1))
    rest = np.maximum(0, 1 - shares.sum(axis=1)) / others
    of_label: np.ndarray = np.where(is_label.any(axis=1), (shares * is_label).sum(axis=1), rest).astype(np.float32)
    return of_label


def _thresholds(labels: np.ndarray, of_label: np.ndarray, class_count: int) -> np.ndarray:
    """Return the threshold of each class: float64, shape (classes,)."""
    counts = np.bincount(labels, minlength=class_count)
    sums = np.bincount(labels, weights=of_label, minlength=class_count)
    thresholds = sums / np.maximum(1, counts)
    if counts.any():
        thresholds[counts == 0] = thresholds[counts > 0].mean()
    return thresholds


def _counted_and_margins(
    labels: np.ndarray, of_label: np.ndarray, listed: np.ndarray, shares: np.ndarray, thresholds: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the class that each photo counts for, or `NONE`, with its probability, and the normalised margin."""
    # The label stands in front of the listed classes, because it may not be listed. A class that is neither has at most
    # the smallest listed probability, so it would only count where no listed class reaches a threshold.
    classes = np.concatenate([labels[:, np.newaxis], listed], axis=1)
    values = np.concatenate([of_label[:, np.newaxis], shares], axis=1).astype(np.float64)
    # A mean of equal probabilities may be a little above them.
    reaches = (classes != NONE) & (values >= thresholds[classes] - 1e-6)
    best = np.argmax(np.where(reaches, values, -1), axis=1)
    each = np.arange(len(classes))
    counted = np.where(reaches.any(axis=1), classes[each, best], NONE)
    largest_other = np.where((listed == labels[:, np.newaxis]) | (listed == NONE), 0, shares).max(axis=1, initial=0)
    return counted, values[each, best], of_label - largest_other


def _estimated_share(joint: np.ndarray, labels: np.ndarray) -> float:
    """Return the share off the diagonal of the joint, scaled to the number of photos with each label."""
    labelled = np.bincount(labels)
    counted = np.bincount(joint[:, 0], weights=joint[:, 2], minlength=len(labelled))
    off = joint[joint[:, 0] != joint[:, 1]]
    wrong = np.bincount(off[:, 0], weights=off[:, 2], minlength=len(labelled))
    return float((labelled * wrong / np.maximum(1, counted)).sum() / max(1, len(labels)))
