"""The cuts: the smallest probability and familiarity with which an answer is a name.

Both cuts are fitted on photographs of known flowers that the network was not trained on. They are quantiles: most of
these photographs reach them. A photo that shows no flower, or none of the known ones, rarely reaches both (Hendrycks
and Gimpel, "A Baseline for Detecting Misclassified and Out-of-Distribution Examples in Neural Networks", ICLR 2017).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from runtime.answers.answer import find_verdicts, softmax
from runtime.inference.model_file import Cuts
from runtime.inference.session import Outputs

SHARE_NAMED = 0.95
"""Share of the photographs of known flowers that at least get a name. Each cut excludes half of the others."""
SHARE_NAMED_STRICT = 0.80
"""Likewise, with the strict cuts."""
ENOUGH_PHOTOGRAPHS = 100
"""With fewer validation photographs, the export says that what is fitted on them is uncertain."""


@dataclass(frozen=True)
class NamedShare:
    """What share of new photographs of known flowers is expected to get a name."""

    expected: float
    """0 to 1."""
    low: float
    """Lower end of the 95 % interval."""
    high: float
    """Upper end."""
    photographs: int
    """Number of photographs that the cuts were fitted on."""

    def to_metadata(self) -> dict[str, Any]:
        """Return it in percent, as a model file records it."""
        return {
            "expected_named": round(100 * self.expected, 1),
            "interval": [round(100 * self.low, 1), round(100 * self.high, 1)],
            "photographs": self.photographs,
        }


def fit_cuts(outputs: Outputs, temperature: float, share: float = SHARE_NAMED) -> Cuts:
    """Return cuts that at least ``share`` of the photographs reach.

    Args:
        outputs: of photographs that show known flowers and that the network was not trained on.
        temperature: of the model.
        share: 0 to 1.
    """
    best = best_probabilities(outputs, temperature)
    if outputs.familiarity is None:
        return Cuts(float(np.quantile(best, 1 - share, method="lower")))
    excluded = (1 - share) / 2
    return Cuts(*(float(np.quantile(values, excluded, method="lower")) for values in (best, outputs.familiarity)))


def named(outputs: Outputs, temperature: float, cuts: Cuts) -> np.ndarray:
    """Return which photographs get a name: bool, shape (images,)."""
    has_name: np.ndarray = verdicts(outputs, temperature, cuts) == "name"
    return has_name


def verdicts(outputs: Outputs, temperature: float, cuts: Cuts) -> np.ndarray:
    """Return the verdict of each photograph: str, shape (images,)."""
    return find_verdicts(best_probabilities(outputs, temperature), outputs.familiarity, cuts)


def expected_share(count_named: int, photographs: int, *, cuts: int) -> NamedShare:
    """Return what share of new photographs gets a name, if the cuts were fitted so that ``count_named`` of them do.

    The cuts are values of the photographs themselves. So the share of new photographs above one cut has a beta
    distribution, whatever the distribution of the values is (Wilks, "Determination of Sample Sizes for Setting
    Tolerance Limits", 1941). Each further cut excludes one more block between two neighbouring values (Tukey,
    "Nonparametric Estimation II", 1947).

    Args:
        count_named: photographs of the fit that reach all cuts.
        photographs: number of photographs of the fit.
        cuts: number of cuts, 1 or 2.
    """
    # Imported here, because scipy takes long to import.
    from scipy.stats import beta

    distribution = beta(max(count_named - cuts + 1, 0.5), photographs - count_named + cuts)
    low, high = distribution.ppf([0.025, 0.975])
    return NamedShare(float(distribution.mean()), float(low), float(high), photographs)


def best_probabilities(outputs: Outputs, temperature: float) -> np.ndarray:
    """Return the probability of each photograph's first answer: float32, shape (images,)."""
    best: np.ndarray = softmax(outputs.logits / np.float32(temperature)).max(axis=1)
    return best
