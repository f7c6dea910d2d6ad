"""Recipes: valid values, and what they mean for each epoch."""

from dataclasses import fields, replace

import pytest

from finetune.network.stages import HEAD
from finetune.recipe import RECIPES, Recipe, RecipeError
from finetune.training.epoch import learning_rate_factor


@pytest.mark.parametrize(
    "values",
    [
        {"epochs": 0},
        {"optimizer": "magic"},
        {"freeze": 9},
        {"lr": -1.0},
        {"mixup": -0.1},
        {"weight_decay": float("nan")},
        {"warmup_epochs": float("inf")},
        {"seed": -1},
        {"stage_decay": -1.0},
        {"erasing": 2.0},
        {"colour": 1},
    ],
    ids=str,
)
def test_invalid_recipe_is_rejected(values: dict[str, object]) -> None:
    with pytest.raises(RecipeError):
        Recipe.from_dict(values)


def test_recipe_survives_a_round_trip_through_a_checkpoint() -> None:
    for recipe in RECIPES.values():
        assert Recipe.from_dict(recipe.to_dict()) == recipe


def test_every_option_has_a_help_text() -> None:
    assert all(field.metadata["summary"] for field in fields(Recipe))


def test_stages_are_unfrozen_one_after_another() -> None:
    recipe = Recipe(freeze=2, unfreeze_every=2, head="probe")
    assert [recipe.first_trained_stage(epoch) for epoch in range(7)] == [4, 4, 3, 3, 2, 2, 2]
    assert replace(recipe, head="random").first_trained_stage(0) == HEAD
    assert replace(recipe, unfreeze_every=0).first_trained_stage(0) == 2


def test_learning_rate_rises_and_then_falls() -> None:
    recipe = Recipe(epochs=10, warmup_epochs=2)
    factors = [learning_rate_factor(step, 5, recipe) for step in range(50)]
    assert factors[9] == 1
    assert factors[:10] == sorted(factors[:10])
    assert factors[10:] == sorted(factors[10:], reverse=True)
    assert 0 < factors[-1] < 0.01
