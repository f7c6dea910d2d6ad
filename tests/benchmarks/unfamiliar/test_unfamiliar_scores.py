"""Scores for photographs of something unknown, and risk and coverage."""

import numpy as np
import pytest

from benchmarks.baselines.unfamiliar_scores import (
    ClassMeans,
    NearestNeighbours,
    VirtualLogit,
    accepted_unknown,
    auroc,
    energy,
)
from benchmarks.measurements.unfamiliar.risk import risk_curve, risk_curves
from benchmarks.measurements.unfamiliar.scores import FittedScore
from benchmarks.measurements.unfamiliar.verdict_shares import naming_rules
from export.confidence.cuts import best_probabilities, named
from runtime.inference.model_file import Cuts, ModelInfo
from runtime.inference.session import Outputs
from runtime.photos.preprocessing import Preprocessing

FEATURES = 12


def test_auroc_counts_pairs_and_half_of_the_ties() -> None:
    # Of six pairs, four are won and two are equal.
    assert auroc(np.array([3.0, 2.0, 2.0]), np.array([1.0, 2.0])) == pytest.approx(5 / 6)
    assert auroc(np.array([1.0]), np.array([2.0])) == 0


def test_false_positives_at_95_percent_true_positives() -> None:
    # 19 of the 20 known photographs have at least 2, which is the threshold.
    known = np.arange(1.0, 21)
    assert accepted_unknown(known, np.array([0.0, 1.0, 1.9, 2.0, 30.0])) == 2


def test_energy_is_the_logarithm_of_the_sum_of_exponentials() -> None:
    assert energy(np.array([[0.0, 0.0], [1000.0, 0.0]])) == pytest.approx([np.log(2), 1000])


@pytest.mark.parametrize("name", ["neighbours", "vim", "mahalanobis"])
def test_a_photograph_unlike_all_training_photographs_comes_last(name: str) -> None:
    random = np.random.default_rng(0)
    labels = np.repeat(np.arange(3), 20)
    # The classes differ in the first three features. Nothing varies much in the others.
    weight = np.eye(3, FEATURES)
    features = 3 * weight[labels] + 0.1 * random.standard_normal((60, FEATURES))
    methods: dict[str, FittedScore] = {
        "neighbours": NearestNeighbours.fit(features),
        "vim": VirtualLogit.fit(features, weight, np.full(3, 0.1), directions=3),
        "mahalanobis": ClassMeans.fit(features, labels),
    }
    new = 3 * weight + 0.1 * random.standard_normal((3, FEATURES))
    far = 3 * np.eye(FEATURES)[[7]]
    scores = methods[name].score(np.concatenate([new, far]))
    assert scores.shape == (4,)
    assert scores[:3].min() > scores[3]


def test_risk_curve_answers_equal_scores_together() -> None:
    curve = risk_curve("", np.array([0.9, 0.5, 0.5, 0.1]), np.array([False, True, False, True]))
    assert curve.coverage == pytest.approx([0.25, 0.75, 1])
    assert curve.risk == pytest.approx([0, 1 / 3, 0.5])


def test_familiarity_moves_confident_mistakes_to_the_end() -> None:
    sure = np.array([[4.0, 0.0], [3.0, 0.0], [2.0, 0.0]])
    known, unknown = Outputs(sure, np.array([0.5, 0.6, 0.7])), Outputs(2 * sure, np.array([0.0, 0.1, 0.2]))
    wrong = np.array([False, False, False, True, True, True])
    alone, both = risk_curves([known, unknown], [True, False], wrong, temperature=1.0)
    assert alone.risk[0] == 1
    assert both.risk[both.coverage <= 0.5].max() == 0


def test_comparison_names_as_many_photographs_as_the_rule() -> None:
    logits = np.linspace(0, 4, 20)[:, np.newaxis] * [[1.0, 0.0]]
    outputs = Outputs(logits, np.linspace(1, 0, 20))
    info = ModelInfo(("a", "b"), Preprocessing(), threshold=0.6, familiarity_threshold=0.3, strict=Cuts(0.7, 0.4))
    shipped, alone, strict, strict_alone = naming_rules(info, outputs)
    for rule, comparison in ((shipped, alone), (strict, strict_alone)):
        count = named(outputs, 1.0, rule.cuts).sum()
        assert 0 < count < 20
        assert (best_probabilities(outputs, 1.0) >= comparison.cuts.probability).sum() == count
    assert [rule.name for rule in naming_rules(info, Outputs(logits, None))] == ["shipped", "strict"]
