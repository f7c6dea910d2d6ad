"""How many photographs of each set get a name, and how many of the names are right."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.core.intervals import wilson
from benchmarks.measurements.unfamiliar.photo_sets import PhotoSet
from export.confidence.cuts import best_probabilities, named, verdicts
from runtime.inference.model_file import Cuts, ModelInfo
from runtime.inference.session import Outputs


@dataclass(frozen=True)
class NamingRule:
    """A rule that decides which answers are names."""

    name: str
    cuts: Cuts


def naming_rules(info: ModelInfo, reference: Outputs) -> list[NamingRule]:
    """Return the model's rule and its strict rule, each followed by a cut of the probability alone.

    That cut lets as many of the photographs of ``reference`` pass as the rule before it. A model without familiarity
    has no such comparison, because its own rules are cuts of the probability alone.

    Args:
        info: of the model.
        reference: outputs for photographs of known flowers.
    """
    rules = []
    own = {"shipped": info.cuts, "strict": info.strict}
    for name, cuts in own.items():
        if cuts is None:
            continue
        rules.append(NamingRule(name, cuts))
        if reference.familiarity is not None:
            rules.append(
                NamingRule(
                    f"probability alone, as often as {name}", _probability_cut(info.temperature, reference, cuts)
                )
            )
    return rules


def _probability_cut(temperature: float, reference: Outputs, cuts: Cuts) -> Cuts:
    """Return the probability that as many photographs of ``reference`` reach as the cuts."""
    count = int(named(reference, temperature, cuts).sum())
    highest_first = -np.sort(-best_probabilities(reference, temperature))
    return Cuts(float(highest_first[count - 1])) if count else Cuts(1.0)


def verdict_shares(photos: PhotoSet, outputs: Outputs, temperature: float, cuts: Cuts) -> dict[str, Any]:
    """Return the share of each verdict and the share of right names, 0 to 1, with Wilson's intervals.

    Args:
        photos: the set.
        outputs: for its photographs.
        temperature: of the model.
        cuts: of the rule.
    """
    verdict = verdicts(outputs, temperature, cuts)
    has_name, images = verdict == "name", len(photos.photographs)
    names = int(has_name.sum())
    figures: dict[str, Any] = {"images": images}
    for key, value in (("named", "name"), ("between", "between"), ("unfamiliar", "unfamiliar")):
        count = int((verdict == value).sum())
        figures |= {key: count / images, f"{key}_interval": wilson(count, images)}
    if photos.known:
        right = int((has_name & (outputs.logits.argmax(axis=1) == photos.photographs.labels)).sum())
        figures |= {
            "right_of_named": right / names if names else None,
            "right_of_named_interval": wilson(right, names),
        }
    return figures


def pooled_errors(
    sets: Sequence[PhotoSet], outputs: Sequence[Outputs], temperature: float, cuts: Cuts
) -> Mapping[str, Any]:
    """Return the share of all photographs that get a name, and the share of these names that are wrong.

    A name for a photograph of no class is wrong.
    """
    has_name = np.concatenate([named(each, temperature, cuts) for each in outputs])
    wrong = int((has_name & wrong_answers(sets, outputs)).sum())
    names = int(has_name.sum())
    return {
        "images": len(has_name),
        "answered": names / len(has_name),
        "wrong": wrong / names if names else None,
        "wrong_interval": wilson(wrong, names),
    }


def wrong_answers(sets: Sequence[PhotoSet], outputs: Sequence[Outputs]) -> np.ndarray:
    """Return for all photographs of all sets whether the best class is wrong: bool, shape (images,)."""
    return np.concatenate(
        [each.logits.argmax(axis=1) != photos.photographs.labels for photos, each in zip(sets, outputs, strict=True)]
    )
