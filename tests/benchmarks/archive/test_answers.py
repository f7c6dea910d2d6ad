"""Rows as arrays, their counts, and the photos that are chosen as examples."""

import numpy as np

from benchmarks.archive.answers import MOST_KINDS, NONE, OTHER_KIND, Species, collect
from benchmarks.archive.counts import error_counts, month_counts, species_counts, verdict_counts
from benchmarks.archive.examples import species_examples, unfamiliar_examples
from runtime.services.archive.row import Row
from tests.benchmarks.archive.answers_of import answered, failed


def test_the_last_row_of_a_photo_counts() -> None:
    rows = [failed("a.jpg"), answered("b.jpg"), answered("a.jpg", (0.0, 0.7, 0.3)), answered("c.jpg")]
    answers = collect(rows)
    assert [answers.names[row] for row in range(len(answers))] == ["b.jpg", "a.jpg", "c.jpg"]
    assert error_counts(answers) == {}
    assert [answers.species[place].label for place in answers.classes] == ["rose", "tulip", "rose"]


def test_names_that_are_no_text_are_kept() -> None:
    answers = collect([answered("a\ufffd.jpg", photo_bytes=b"a\xff.jpg".hex()), answered("ü.jpg")])
    assert answers.names.key(0) == b"a\xff.jpg"
    assert answers.names[1] == "ü.jpg"


def test_predictions_of_different_lengths() -> None:
    answers = collect([answered("a.jpg", (0.2, 0.8, 0.0)), failed("b.jpg"), answered("c.jpg", (1.0,))])
    assert answers.listed.tolist() == [[0, 1, 2], [NONE] * 3, [1, NONE, NONE]]
    assert np.allclose(answers.shares, [[0.8, 0.2, 0.0], [0.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    assert answers.species == (
        Species("tulip", "Tulip", "Flos"),
        Species("rose", "Rose", "Flos"),
        Species("sunflower", "sunflower"),
    )
    assert answers.class_count == 3


def test_counts_by_verdict_species_month_and_error() -> None:
    answers = collect(
        [
            answered("1.jpg", taken="2024-05-01T12:00:00+02:00"),
            answered("2.jpg", taken="2024-05-31T12:00:00"),
            answered("3.jpg", verdict="between", taken="2023-12-24T01:00:00"),
            answered("4.jpg", (0.1, 0.9, 0.0), taken="no time"),
            answered("5.jpg", verdict="unfamiliar"),
            failed("6.jpg"),
            failed("7.jpg", "missing"),
            failed("8.jpg"),
        ]
    )
    assert verdict_counts(answers) == {"name": 3, "between": 1, "unfamiliar": 1}
    assert error_counts(answers) == {"damaged": 2, "missing": 1}
    assert [(each.species.name, each.named, each.between) for each in species_counts(answers)] == [
        ("Rose", 2, 1),
        ("Tulip", 1, 0),
    ]
    assert month_counts(answers) == {2023: [0] * 11 + [1], 2024: [0] * 4 + [2] + [0] * 7}


def test_many_kinds_of_errors_are_counted_together() -> None:
    answers = collect([failed(f"{number}.jpg", f"kind{number}") for number in range(MOST_KINDS + 50)])
    counts = error_counts(answers)
    assert counts[OTHER_KIND] == 50
    assert len(counts) == MOST_KINDS + 1


def test_examples_are_the_most_and_the_least_certain_photos() -> None:
    shares = (0.9, 0.6, 0.8, 0.9, 0.7, 0.95)
    rows: list[Row] = [
        answered(f"{number}.jpg", (share, 1 - share, 0), familiarity=number / 10) for number, share in enumerate(shares)
    ]
    rows += [answered(f"u{number}.jpg", verdict="unfamiliar", familiarity=0.3 - number / 10) for number in range(3)]
    answers = collect(rows)
    hidden = np.array([5])
    examples = species_examples(answers, hidden, most=2)
    assert list(examples) == [0]
    assert examples[0].most_certain.tolist() == [3, 0]  # of equal probabilities, the more familiar photo
    assert examples[0].least_certain.tolist() == [1, 4]
    assert species_examples(answers, hidden, most=4)[0].least_certain.tolist() == [1]
    assert unfamiliar_examples(answers, hidden, most=2).tolist() == [8, 7]
