"""Counts of an archive: verdicts, errors, species and months."""

from dataclasses import dataclass

import numpy as np

from benchmarks.archive.answers import ERROR, NONE, VERDICTS, Answers, Species


@dataclass(frozen=True)
class SpeciesCount:
    """How many photos show a species, as the model says."""

    place: int
    """In `Answers.species`."""
    species: Species
    named: int
    between: int
    """Photos of which it is the most probable species, but whose verdict is ``between``."""


def verdict_counts(answers: Answers) -> dict[str, int]:
    """Return verdict → photos."""
    counts = np.bincount(answers.verdicts, minlength=ERROR + 1)
    return {verdict: int(counts[place]) for place, verdict in enumerate(VERDICTS)}


def error_counts(answers: Answers) -> dict[str, int]:
    """Return kind of error → photos, the most frequent kind first."""
    counts = np.bincount(answers.kinds[answers.verdicts == ERROR], minlength=len(answers.error_messages))
    found = {kind: int(count) for kind, count in zip(answers.error_messages, counts, strict=True) if count}
    return dict(sorted(found.items(), key=lambda each: -each[1]))


def species_counts(answers: Answers) -> list[SpeciesCount]:
    """Return the species that photos show, the most frequent first. Photos that are unfamiliar do not count."""
    named, between = (
        np.bincount(
            answers.classes[(answers.verdicts == VERDICTS.index(verdict)) & (answers.classes != NONE)],
            minlength=len(answers.species),
        )
        for verdict in ("name", "between")
    )
    order = np.lexsort((-between, -named))
    return [
        SpeciesCount(int(place), answers.species[place], int(named[place]), int(between[place]))
        for place in order
        if named[place] or between[place]
    ]


def month_counts(answers: Answers) -> dict[int, list[int]]:
    """Return year → photos taken in each of its 12 months, for the years with photos, in their order."""
    months, counts = np.unique(answers.months[answers.months != NONE], return_counts=True)
    years: dict[int, list[int]] = {}
    for month, count in zip(months.tolist(), counts.tolist(), strict=True):
        years.setdefault(month // 12, [0] * 12)[month % 12] = count
    return years
