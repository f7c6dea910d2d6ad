"""The page about an archive, as one HTML file that needs no network."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.archive.answers import Answers
from benchmarks.archive.counts import error_counts, month_counts, species_counts, verdict_counts
from benchmarks.archive.duplicates import BITS, Groups
from benchmarks.archive.examples import Examples, species_examples, unfamiliar_examples
from benchmarks.archive.labels import Labels
from benchmarks.archive.lists import NEAR_DUPLICATES, SAME_BYTES, WRONG_LABELS, differing_bits
from benchmarks.archive.wrong_labels import WrongLabels, most_confused
from benchmarks.core.rendering import render_report
from runtime.answers.answer import photo_name

MOST_SPECIES = 1000
"""Species in the table."""
MOST_WITH_PHOTOS = 200
"""Species whose photos are shown."""
OF_SPECIES = 6
"""Photos of a species that are shown as the most certain ones, and as the least certain ones."""
MOST_UNFAMILIAR, MOST_WRONG, MOST_CONFUSED = 48, 60, 15
MOST_GROUPS, OF_GROUP = 40, 5
"""Groups of photos that are shown, and photos of each."""
MOST_YEARS = 40
MOST_UNKNOWN = 8
"""Labels that are no class and are named."""

Pictures = Callable[[Sequence[int]], dict[int, str | None]]
"""From photos to their small pictures as data URIs; None for a photo that cannot be read now."""


@dataclass(frozen=True)
class Findings:
    """What was found in a table of answers."""

    table: str
    """Its path."""
    answers: Answers
    same: Groups
    """Photos with the same bytes."""
    near: Groups
    """Photos that look nearly the same, without those that have the same bytes as another."""
    labels: Labels | None = None
    wrong: WrongLabels | None = None


@dataclass(frozen=True)
class _Shown:
    """The photos that the page shows."""

    species: dict[int, Examples]
    unfamiliar: np.ndarray
    wrong: np.ndarray
    near: list[np.ndarray]
    same: list[np.ndarray]

    def rows(self) -> list[int]:
        """Return all of them, each once."""
        of_species = [rows for each in self.species.values() for rows in (each.most_certain, each.least_certain)]
        groups = [self.wrong, *self.near, *self.same, self.unfamiliar, *of_species]
        return list(dict.fromkeys(np.concatenate(groups).tolist())) if groups else []


def render_page(findings: Findings, pictures: Pictures) -> str:
    """Return the page as HTML.

    Args:
        findings: to show.
        pictures: reads the photos that are shown.
    """
    counts = species_counts(findings.answers)
    shown = _choose(findings, [each.place for each in counts[:MOST_WITH_PHOTOS]])
    images = pictures(shown.rows())
    values = {
        "table": findings.table,
        "total": len(findings.answers),
        "verdicts": verdict_counts(findings.answers),
        "errors": error_counts(findings.answers),
        "messages": findings.answers.error_messages,
        "copies": len(findings.same.repeats()),
        "near_copies": len(findings.near.repeats()),
        "species": counts[:MOST_SPECIES],
        "species_total": len(counts),
        "largest": max((each.named + each.between for each in counts), default=0),
        "years": _last_years(month_counts(findings.answers)),
        "dated": int((findings.answers.months >= 0).sum()),
        "sections": _species_sections(findings, counts, shown, images),
        "unfamiliar": [_photo(findings, images, row) for row in shown.unfamiliar.tolist()],
        "near": _groups(findings, images, findings.near, shown.near),
        "same": _groups(findings, images, findings.same, shown.same),
        "labels": _label_values(findings, images, shown),
        "missing": sum(image is None for image in images.values()),
        "shown": len(images),
        "bits": BITS,
        "files": {"wrong": WRONG_LABELS, "near": NEAR_DUPLICATES, "same": SAME_BYTES},
    }
    (text,) = render_report("archive", values, Path()).values()
    return text


def _choose(findings: Findings, places: Iterable[int]) -> _Shown:
    hidden = np.concatenate([findings.same.repeats(), findings.near.repeats()])
    examples = species_examples(findings.answers, hidden, OF_SPECIES)
    return _Shown(
        species={place: examples[place] for place in places if place in examples},
        unfamiliar=unfamiliar_examples(findings.answers, hidden, MOST_UNFAMILIAR),
        wrong=np.empty(0, np.int64) if findings.wrong is None else findings.wrong.rows[:MOST_WRONG],
        near=[findings.near[group][:OF_GROUP] for group in range(min(MOST_GROUPS, len(findings.near)))],
        same=[findings.same[group][:OF_GROUP] for group in range(min(MOST_GROUPS, len(findings.same)))],
    )


def _photo(findings: Findings, images: dict[int, str | None], row: int) -> dict[str, Any]:
    answers = findings.answers
    return {
        "name": photo_name(answers.names[row])["photo"],
        "image": images[row],
        "probability": float(answers.probabilities[row]),
        "familiarity": float(answers.familiarity[row]),
        "size": int(answers.sizes[row]),
    }


def _species_sections(
    findings: Findings, counts: Sequence[Any], shown: _Shown, images: dict[int, str | None]
) -> list[dict[str, Any]]:
    return [
        {
            "count": count,
            "most": [_photo(findings, images, row) for row in shown.species[count.place].most_certain.tolist()],
            "least": [_photo(findings, images, row) for row in shown.species[count.place].least_certain.tolist()],
        }
        for count in counts
        if count.place in shown.species
    ]


def _groups(
    findings: Findings, images: dict[int, str | None], groups: Groups, shown: Sequence[np.ndarray]
) -> dict[str, Any]:
    return {
        "count": len(groups),
        "shown": [
            {
                "photos": [
                    {**_photo(findings, images, row), "bits": int(bits)}
                    for row, bits in zip(rows.tolist(), differing_bits(findings.answers, rows), strict=True)
                ],
                "more": len(groups[group]) - len(rows),
            }
            for group, rows in enumerate(shown)
        ],
    }


def _label_values(findings: Findings, images: dict[int, str | None], shown: _Shown) -> dict[str, Any] | None:
    labels, wrong, species = findings.labels, findings.wrong, findings.answers.species
    if labels is None or wrong is None:
        return None
    return {
        "checked": wrong.checked,
        "found": len(wrong.rows),
        "estimated": wrong.estimated,
        "missing": labels.missing,
        "unknown": labels.unknown.most_common(MOST_UNKNOWN),
        "unknown_photos": labels.unknown.total(),
        "confused": [
            (species[label].name, species[other].name, photos)
            for label, other, photos in most_confused(wrong.joint, MOST_CONFUSED)
        ],
        "photos": [
            {
                **_photo(findings, images, row),
                "label": species[labels.given[row]].name,
                "suggested": species[wrong.suggested[position]].name,
                "of_label": float(wrong.of_label[position]),
                "of_suggested": float(wrong.of_suggested[position]),
            }
            for position, row in enumerate(shown.wrong.tolist())
        ],
    }


def _last_years(years: dict[int, list[int]]) -> dict[int, list[int]]:
    return dict(list(years.items())[-MOST_YEARS:])
