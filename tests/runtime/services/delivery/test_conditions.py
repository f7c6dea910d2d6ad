"""Which answers are delivered."""

import pytest

from runtime import FlowerError
from runtime.services.delivery.conditions import Conditions
from tests.runtime.services.delivery.events import an_answer


@pytest.mark.parametrize(
    ("settings", "expected"),
    [({}, [True, False, False, False]), ({"everything": True}, [True, True, True, False])],
)
def test_names_are_delivered_or_everything(settings: dict[str, bool], expected: list[bool]) -> None:
    conditions = Conditions(**settings)  # type: ignore[arg-type]
    answers = [*(an_answer(verdict=verdict) for verdict in ("name", "between", "unfamiliar")), {"error": "damaged"}]
    assert [conditions.accept(answer) for answer in answers] == expected


def test_probability_and_labels() -> None:
    conditions = Conditions(min_probability=0.8, only=["SUNFLOWER", "pe\u0301tunia"])
    assert conditions.accept(an_answer(probability=0.8))
    assert not conditions.accept(an_answer(probability=0.79))
    assert conditions.accept(an_answer(label="p\u00e9tunia"))
    assert not conditions.accept(an_answer(label="rose"))
    assert not Conditions(everything=True, only=["sunflower"]).accept(an_answer(verdict="unfamiliar"))


def test_cooldown_counts_from_the_last_delivery_of_a_species() -> None:
    now = [0.0]
    conditions = Conditions(cooldown_s=60, clock=lambda: now[0])
    delivered = []
    for moment in range(0, 200, 20):
        now[0] = float(moment)
        if conditions.accept(an_answer()):
            delivered.append(moment)
    assert delivered == [0, 60, 120, 180]
    assert conditions.accept(an_answer(label="rose"))


@pytest.mark.parametrize(
    "settings",
    [{"min_probability": 1.5}, {"cooldown_s": -1}, {"cooldown_s": float("nan")}, {"only": []}, {"only": "rose"}],
)
def test_wrong_values_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(FlowerError):
        Conditions(**settings)  # type: ignore[arg-type]
