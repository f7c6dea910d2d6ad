"""Scores of the literature for photographs of something that a network does not know.

Every score is a function from outputs or features to one number for each photograph: the higher, the more the
photograph is like those that the network knows. What is fitted is fitted on the photographs of the training.
"""

import math
from dataclasses import dataclass

import numpy as np

from export.confidence.class_distance import unit_length

NEIGHBOURS = 5
DIRECTIONS = 256
"""Principal directions of ViM."""


def energy(logits: np.ndarray) -> np.ndarray:
    """Return the logarithm of the sum of the exponentials of the logits, which is the negative energy.

    W. Liu et al., "Energy-based Out-of-distribution Detection", NeurIPS 2020.

    Args:
        logits: float, shape (images, classes).
    """
    highest = logits.max(axis=1)
    score: np.ndarray = highest + np.log(np.exp(logits - highest[:, np.newaxis]).sum(axis=1))
    return score


@dataclass(frozen=True)
class NearestNeighbours:
    """The cosine of the features and those of the fifth nearest training photograph.

    Y. Sun et al., "Out-of-Distribution Detection with Deep Nearest Neighbors", ICML 2022.
    """

    unit: np.ndarray
    """Training features of length 1: float, shape (images, features)."""

    @classmethod
    def fit(cls, features: np.ndarray) -> "NearestNeighbours":
        """Keep the training features: float, shape (images, features)."""
        return cls(unit_length(features))

    def score(self, features: np.ndarray) -> np.ndarray:
        """Return the score of each photograph."""
        cosines = unit_length(features) @ self.unit.T
        count = min(NEIGHBOURS, cosines.shape[1])
        score: np.ndarray = -np.partition(-cosines, count - 1, axis=1)[:, count - 1]
        return score


@dataclass(frozen=True)
class VirtualLogit:
    """ViM: the energy minus the scaled length of the features outside the principal directions.

    H. Wang et al., "ViM: Out-Of-Distribution with Virtual-logit Matching", CVPR 2022.
    """

    weight: np.ndarray
    """Of the head: float, shape (classes, features)."""
    bias: np.ndarray
    origin: np.ndarray
    """The features whose logits are all 0, as nearly as the head allows: float, shape (features,)."""
    principal: np.ndarray
    """Orthonormal: float, shape (features, directions)."""
    scale: float

    @classmethod
    def fit(
        cls, features: np.ndarray, weight: np.ndarray, bias: np.ndarray, directions: int = DIRECTIONS
    ) -> "VirtualLogit":
        """Find the principal directions of the training features.

        Args:
            features: float, shape (images, features).
            weight: of the head, shape (classes, features).
            bias: of the head, shape (classes,).
            directions: how many.
        """
        origin = -np.linalg.pinv(weight) @ bias
        centred = (features - origin).astype(np.float64)
        _, vectors = np.linalg.eigh(centred.T @ centred)
        principal = vectors[:, ::-1][:, :directions]
        highest = (features @ weight.T + bias).max(axis=1)
        residual = _residual(centred, principal)
        return cls(weight, bias, origin, principal, float(highest.mean() / max(1e-12, residual.mean())))

    def score(self, features: np.ndarray) -> np.ndarray:
        """Return the score of each photograph."""
        residual = _residual(features - self.origin, self.principal)
        return energy(features @ self.weight.T + self.bias) - self.scale * residual


@dataclass(frozen=True)
class ClassMeans:
    """The squared Mahalanobis distance to the nearest class mean, negated, with a full covariance.

    K. Lee et al., "A Simple Unified Framework for Detecting Out-of-Distribution Samples", NeurIPS 2018. The features
    have length 1: M. Mueller and M. Hein, "Mahalanobis++", ICML 2025. The covariance is shrunk towards an isotropic one
    as much as that of the familiarity (`export.confidence.class_distance`).
    """

    means: np.ndarray
    """In whitened coordinates: float, shape (classes with photographs, features)."""
    whitening: np.ndarray
    """Lower triangle: float, shape (features, features)."""

    @classmethod
    def fit(cls, features: np.ndarray, labels: np.ndarray) -> "ClassMeans":
        """Fit the class means and the covariance within classes.

        Args:
            features: float, shape (images, features).
            labels: int, shape (images,).
        """
        unit = unit_length(features.astype(np.float64))
        classes, positions = np.unique(labels, return_inverse=True)
        means = np.stack([unit[labels == label].mean(axis=0) for label in classes])
        deviations = unit - means[positions]
        degrees, size = max(1, len(unit) - len(classes)), unit.shape[1]
        covariance = deviations.T @ deviations / degrees
        shrinkage = size / (size + degrees)
        isotropic = max(np.trace(covariance) / size, 1e-12)
        covariance *= 1 - shrinkage
        covariance[np.diag_indices(size)] += shrinkage * isotropic
        whitening = np.linalg.cholesky(covariance)
        return cls(_whiten(means, whitening), whitening)

    def score(self, features: np.ndarray) -> np.ndarray:
        """Return the score of each photograph."""
        white = _whiten(unit_length(features.astype(np.float64)), self.whitening)
        squares = np.square(white).sum(axis=1)[:, np.newaxis] + np.square(self.means).sum(axis=1)
        score: np.ndarray = -(squares - 2 * white @ self.means.T).min(axis=1)
        return score


def auroc(known: np.ndarray, unknown: np.ndarray) -> float:
    """Return the share of pairs in which the known photograph has the higher score; equal scores count a half.

    This is the area under the curve of true and false positives (Mann and Whitney, 1947).
    """
    # Imported here, because scipy takes long to import.
    from scipy.stats import rankdata

    ranks = rankdata(np.concatenate([known, unknown]))[: len(known)]
    pairs_won = ranks.sum() - len(known) * (len(known) + 1) / 2
    return float(pairs_won / (len(known) * len(unknown)))


def accepted_unknown(known: np.ndarray, unknown: np.ndarray, share: float = 0.95) -> int:
    """Return how many unknown photographs pass the highest threshold that at least ``share`` of the known ones pass."""
    passing = math.ceil(share * len(known) - 1e-9)
    return int((unknown >= -np.sort(-known)[passing - 1]).sum())


def _residual(centred: np.ndarray, principal: np.ndarray) -> np.ndarray:
    """Return the length of the part outside the principal directions."""
    length: np.ndarray = np.linalg.norm(centred - centred @ principal @ principal.T, axis=1)
    return length


def _whiten(rows: np.ndarray, whitening: np.ndarray) -> np.ndarray:
    from scipy.linalg import solve_triangular

    white: np.ndarray = solve_triangular(whitening, rows.T, lower=True).T
    return white
