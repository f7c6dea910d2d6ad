"""Views past the frozen stages: computed once, and the same as if computed every time."""

from dataclasses import replace
from itertools import chain
from pathlib import Path

import pytest
import torch

from finetune.dataset import read_split
from finetune.hardware import Hardware
from finetune.network import PhotoNetwork, set_trainable
from finetune.photos import epoch_order
from finetune.recipe import Recipe
from finetune.run import Run
from finetune.views import TrainingViews, cache_folder
from finetune.weights import load_pretrained
from runtime.preprocessing import Preprocessing


def make_run(dataset: Path, output: Path, recipe: Recipe, precision: str, cache_bytes: int) -> Run:
    return Run(
        recipe,
        Preprocessing(64),
        read_split(dataset, "train"),
        None,
        output,
        {"train_sha256": "of train", "val_sha256": None},
        {},
        Hardware.detect("cpu", precision, 0),
        cache_bytes=cache_bytes,
        report=lambda _: None,
    )


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("freeze", [0, 3, 5])
def test_kept_views_are_those_that_were_computed(
    dataset: Path, weights: Path, tmp_path: Path, freeze: int, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = Recipe(size=64, batch_size=8, views=2, freeze=freeze)
    network = PhotoNetwork(4)
    load_pretrained(network, weights)
    set_trainable(network, freeze)

    def batches(run: Run, epoch: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
        return list(TrainingViews(run, run.recipe, network).epoch(epoch))

    run = make_run(dataset, tmp_path, recipe, precision, 1024**3)
    without = make_run(dataset, tmp_path / "without", recipe, precision, 0)
    for epoch in (0, 1, 0):
        for (inputs, labels), (expected, other) in zip(batches(run, epoch), batches(without, epoch), strict=True):
            assert torch.equal(inputs, expected)
            assert inputs.dtype == expected.dtype
            assert torch.equal(labels, other)
            if 0 < freeze < 5:
                assert inputs.is_contiguous(memory_format=torch.channels_last)
    # Both views are kept: an epoch in another order needs neither the photographs nor the frozen stages.
    views = TrainingViews(run, recipe, network)
    monkeypatch.setattr(PhotoNetwork, "between", None)
    monkeypatch.setattr("finetune.photos.read_photo", None)
    assert len(list(views.epoch(2))) == 3


def test_a_damaged_view_is_computed_again(dataset: Path, weights: Path, tmp_path: Path) -> None:
    recipe = Recipe(size=64, batch_size=8, views=1, freeze=2)
    network = PhotoNetwork(4)
    load_pretrained(network, weights)
    set_trainable(network, 2)
    run = make_run(dataset, tmp_path, recipe, "fp32", 1024**3)
    first = [inputs for inputs, _ in TrainingViews(run, recipe, network).epoch(0)]
    (data,) = cache_folder(run).glob("views-*.data")
    with data.open("r+b") as file:
        file.write(b"\xff" * 64)
    again = [inputs for inputs, _ in TrainingViews(run, recipe, network).epoch(0)]
    assert all(torch.equal(one, two) for one, two in zip(first, again, strict=True))


def test_an_epoch_has_every_photograph_once(tmp_path: Path) -> None:
    recipe = Recipe(batch_size=8)
    assert sorted(chain(*epoch_order(24, recipe, 3))) == list(range(24))
    assert len(list(chain(*epoch_order(25, recipe, 3)))) == 24
    assert epoch_order(5, recipe, 0)[0] != epoch_order(5, recipe, 1)[0]
    assert epoch_order(24, recipe, 1) != epoch_order(24, replace(recipe, seed=1), 1)
