"""How far a photo's features are from those of the training photographs of one class: a Mahalanobis distance.

The features are the 2,048 numbers that the head sees. Networks that are trained with label smoothing and MixUp name
things that are no flowers with a high probability; the distance of the features shows such photographs (Lee et al., "A
Simple Unified Framework for Detecting Out-of-Distribution Samples", NeurIPS 2018; Müller and Hein, "Mahalanobis++",
2025, for the features of length 1).

With the features x of length 1, the mean m of the class with the largest logit, and K orthonormal directions::

    y = directions x,  distance = sum of precisions * (y - directions m)**2 + rest_precision * (1 - |y|**2)

The last term stands for all other directions. Up to K classes do not differ in them.

The precisions come from the covariance within classes, shrunk towards an isotropic one, because few photographs
determine it badly. With n photographs of c classes, the share of the isotropic covariance is features / (features + n -
c): one half for 2,000 photographs, nearly one for 100.
"""

from dataclasses import dataclass

import numpy as np

DIRECTIONS = 160
"""K: directions in which the distance is exact."""


@dataclass(frozen=True)
class ClassDistance:
    """The distance, and the scale that turns it into the familiarity."""

    directions: np.ndarray
    """float16, shape (features, K), as the model file stores it."""
    centres: np.ndarray
    """float32, shape (classes, K): the class means in these directions."""
    precisions: np.ndarray
    """float32, shape (K,): one divided by the variance within classes."""
    rest_precision: float
    """Likewise, of all other directions."""
    scale: float = 1.0
    """The distance of a photo whose familiarity is 0.5."""

    def distances(self, features: np.ndarray, classes: np.ndarray) -> np.ndarray:
        """Return the distance of each photo to its class: float32, shape (images,).

        Args:
            features: float, shape (images, features).
            classes: int, shape (images,): the class with the largest logit.
        """
        projected = unit_length(features) @ self.directions.astype(np.float32)
        within = (np.square(projected - self.centres[classes]) * self.precisions).sum(axis=1)
        rest = self.rest_precision * (1 - np.square(projected).sum(axis=1))
        distances: np.ndarray = (within + rest).astype(np.float32)
        return distances

    def familiarity(self, features: np.ndarray, classes: np.ndarray) -> np.ndarray:
        """Return the familiarity of each photo, 0 to 1; the arguments are those of `distances`."""
        familiarity: np.ndarray = np.exp2(-self.distances(features, classes) / np.float32(self.scale))
        return familiarity


def fit_class_distance(features: np.ndarray, labels: np.ndarray, classes: int) -> ClassDistance:
    """Fit the distance on the photographs that the network was trained on.

    The directions are those in which the class means differ, and then those in which photographs of one class differ
    most. A class without photographs gets the mean of all photographs as its mean.

    Args:
        features: float, shape (images, features).
        labels: int, shape (images,).
        classes: number of classes.
    """
    unit = unit_length(features.astype(np.float64))
    means = np.tile(unit.mean(axis=0), (classes, 1))
    for label in np.unique(labels):
        means[label] = unit[labels == label].mean(axis=0)
    deviations = unit - means[labels]
    between = _principal_directions(means, DIRECTIONS)
    others = deviations - deviations @ between @ between.T
    within = _principal_directions(others, DIRECTIONS - between.shape[1])
    directions = np.concatenate([between, within], axis=1)
    return _with_precisions(directions, deviations, means, degrees=max(1, len(features) - classes))


def _with_precisions(
    directions: np.ndarray, deviations: np.ndarray, means: np.ndarray, *, degrees: int
) -> ClassDistance:
    """Turn the directions so that the covariance within classes is diagonal in them, and invert it."""
    size = directions.shape[0]
    projected = deviations @ directions
    covariance = projected.T @ projected / degrees
    total = np.square(deviations).sum() / degrees
    isotropic = max(total / size, np.finfo(np.float32).tiny)
    shrinkage = size / (size + degrees)
    variances, rotation = np.linalg.eigh(covariance)
    directions = directions @ rotation
    others = size - directions.shape[1]
    rest = max(0.0, total - np.trace(covariance)) / max(1, others)
    return ClassDistance(
        directions=directions.astype(np.float16),
        centres=(means @ directions).astype(np.float32),
        precisions=(1 / ((1 - shrinkage) * np.maximum(variances, 0) + shrinkage * isotropic)).astype(np.float32),
        rest_precision=float(1 / ((1 - shrinkage) * rest + shrinkage * isotropic)) if others else 0.0,
    )


def _principal_directions(rows: np.ndarray, limit: int) -> np.ndarray:
    """Return at most ``limit`` orthonormal directions of the rows, the strongest first: shape (features, count)."""
    _, strengths, directions = np.linalg.svd(rows, full_matrices=False)
    count = min(limit, int((strengths > 1e-6 * max(strengths.max(initial=0.0), 1e-12)).sum()))
    return directions[:count].T


def unit_length(features: np.ndarray) -> np.ndarray:
    """Return the features scaled to length 1. Features that are all 0 stay 0."""
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    unit: np.ndarray = features / np.maximum(lengths, 1e-12)
    return unit
