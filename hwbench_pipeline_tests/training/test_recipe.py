"""Recipes have names by which rows tell them apart, and the usual one has none."""

import pytest
from hypothesis import given, strategies

from hwbench_pipeline.bench.plan import Point, sweep
from hwbench_pipeline.training.recipe import OPTIMIZER_KEYS, Recipe, recipe_named, recipe_options, recipe_sweep


def test_the_usual_recipe_has_no_name_however_it_is_said():
    assert Recipe().name is None
    assert Recipe(learning_rate=1e-4).name is None
    assert Recipe().resolved() == Recipe("adamw", 1e-4).resolved()


def test_whatever_differs_is_in_the_name():
    recipes = recipe_sweep(
        optimizers=OPTIMIZER_KEYS, learning_rates=[1e-4, 1.2345678e-4], accumulations=[1, 2], lora_ranks=[4, 8]
    ) + recipe_sweep(optimizers=OPTIMIZER_KEYS, checkpointing=True)
    assert len(recipes) == 4 * 2 * 2 * 2 + 4
    assert len({recipe.name for recipe in recipes}) == len(recipes)
    assert (
        Recipe("sgd", accumulation_steps=4, checkpointing=True, lora_rank=8).name
        == "sgd lr=0.001 accumulation=4 checkpointing lora=8"
    )


def test_a_rate_that_is_the_optimizers_usual_one_is_the_same_recipe():
    assert len(recipe_sweep(optimizers=["sgd"], learning_rates=[1e-3])) == 1
    assert recipe_sweep(optimizers=["sgd"], learning_rates=[1e-3]) == recipe_sweep(optimizers=["sgd"])


@pytest.mark.parametrize(
    "recipe", [Recipe(), Recipe("adafactor", 0.5, 2, checkpointing=True, lora_rank=4), Recipe(lora_rank=1)]
)
def test_the_name_gives_the_options_that_ask_for_it(recipe):
    options = recipe_options(recipe.name)
    assert ("--gradient-checkpointing" in options) == recipe.checkpointing
    assert (f"--lora-rank {recipe.lora_rank}" in options) == (recipe.lora_rank is not None)
    assert (f"--optimizer {recipe.optimizer}" in options) == (recipe.optimizer != "adamw")
    assert recipe_options(None) == []


def test_a_sweep_takes_every_recipe():
    points = sweep(model_sizes=["tiny"], batch_sizes=[2, 4], recipes=recipe_sweep(optimizers=["adamw", "sgd"]))
    assert len(points) == len(set(points)) == 4
    assert str(points[1]).endswith(", sgd lr=0.001")
    assert Point.from_json({"batch_size": 4, "recipe": {"optimizer": "sgd"}}).recipe == Recipe("sgd")


@given(
    strategies.builds(
        Recipe,
        strategies.sampled_from(OPTIMIZER_KEYS),
        strategies.none() | strategies.floats(1e-8, 10.0),
        strategies.integers(1, 64),
        strategies.booleans(),
        strategies.none() | strategies.integers(1, 256),
    )
)
def test_a_name_in_a_row_names_its_recipe_again(recipe):
    name = recipe.resolved().name
    assert (recipe_named(name) or Recipe().resolved()) == recipe.resolved()
