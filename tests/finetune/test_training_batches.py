"""Views past the frozen stages: computed once, and the same as if computed every time."""

from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import torch

from finetune.batches.array_store import ArrayStore
from finetune.batches.augmentation import epoch_order
from finetune.batches.feature_cache import cache_folder
from finetune.batches.training_batches import TrainingBatches, batches_by_phase
from finetune.data.dataset import read_split
from finetune.network.photo_network import PhotoNetwork, set_trainable
from finetune.network.pretrained import load_pretrained
from finetune.recipe import Recipe
from finetune.run.hardware import Hardware
from finetune.run.training_run import TrainingRun
from runtime.photos.preprocessing import Preprocessing


def make_run(dataset: Path, output: Path, recipe: Recipe, precision: str, cache_bytes: int) -> TrainingRun:
    return TrainingRun(
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
    recipe = Recipe(size=64, batch_size=8, echo=2, freeze=freeze)
    network = PhotoNetwork(4)
    load_pretrained(network, weights)
    set_trainable(network, freeze)
    kept = TrainingBatches(make_run(dataset, tmp_path, recipe, precision, 1024**3), recipe, network)
    every_time = TrainingBatches(make_run(dataset, tmp_path, recipe, precision, 0), recipe, network)
    computed: list[int] = []
    compute = TrainingBatches._compute

    def counted(self: TrainingBatches, loaded: object, indices: list[int], epoch: int) -> object:
        computed.append(len(indices))
        return compute(self, loaded, indices, epoch)  # type: ignore[arg-type]

    for epoch in range(3):
        expected = list(every_time.epoch(epoch))
        with monkeypatch.context() as context:
            context.setattr(TrainingBatches, "_compute", counted)
            found = list(kept.epoch(epoch))
        for (inputs, labels), (others, other_labels) in zip(found, expected, strict=True):
            assert inputs.dtype == others.dtype
            assert torch.allclose(inputs.float(), others.float(), rtol=1e-2, atol=1e-2)
            assert torch.equal(labels, other_labels)
            if 0 < freeze < 5:
                assert inputs.is_contiguous(memory_format=torch.channels_last)
    assert sum(computed) == 24 + 12 + 12


def test_a_view_serves_several_epochs_in_windows_of_its_own(dataset: Path, tmp_path: Path) -> None:
    recipe = Recipe(size=64, batch_size=24, echo=3, freeze=0)
    views = TrainingBatches(make_run(dataset, tmp_path, recipe, "fp32", 1024**3), recipe, PhotoNetwork(4))
    seen = {}
    for epoch in range(6):
        (inputs, _), (order,) = next(views.epoch(epoch)), epoch_order(24, recipe, epoch)
        assert inputs.shape == (24, 64, 64, 3)
        seen[epoch] = {index: inputs[order.index(index)] for index in (0, 3)}
    assert [recipe.view(epoch, 0) for epoch in range(6)] == [0, 0, 0, 1, 1, 1]
    assert len({inputs[0].numpy().tobytes() for inputs in seen.values()}) == 6


def test_a_run_broken_off_in_an_epoch_computes_what_is_left_as_it_would_have(
    dataset: Path, weights: Path, tmp_path: Path
) -> None:
    recipe = Recipe(size=64, batch_size=8, echo=2, freeze=2)
    network = PhotoNetwork(4)
    load_pretrained(network, weights)
    set_trainable(network, 2)
    whole = TrainingBatches(make_run(dataset, tmp_path / "whole", recipe, "bf16", 1024**3), recipe, network)
    broken = TrainingBatches(make_run(dataset, tmp_path / "broken", recipe, "bf16", 1024**3), recipe, network)
    for views in (whole, broken):
        list(views.epoch(0))
    next(broken.epoch(1))
    (data,) = cache_folder(make_run(dataset, tmp_path / "broken", recipe, "bf16", 0)).glob("views-*.data")
    with data.open("r+b") as file:  # one slot half-written
        file.write(b"\xff" * 64)
    again = TrainingBatches(make_run(dataset, tmp_path / "broken", recipe, "bf16", 1024**3), recipe, network)
    for (inputs, _), (expected, _) in zip(again.epoch(1), whole.epoch(1), strict=True):
        assert torch.equal(inputs, expected)


def test_an_epoch_has_every_photograph_once(tmp_path: Path) -> None:
    recipe = Recipe(batch_size=8)
    assert sorted(chain(*epoch_order(24, recipe, 3))) == list(range(24))
    assert len(list(chain(*epoch_order(25, recipe, 3)))) == 24
    assert epoch_order(5, recipe, 0)[0] != epoch_order(5, recipe, 1)[0]
    assert epoch_order(24, recipe, 1) != epoch_order(24, replace(recipe, seed=1), 1)


def test_the_default_gigabytes_hold_oxfords_photographs_in_both_phases(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The files are sparse: nothing of their length is written here."""
    rooms: dict[str, int] = {}
    create = ArrayStore.__init__

    def noted(self: ArrayStore, folder: Path, name: str, **arguments: Any) -> None:
        create(self, folder, name, **{**arguments, "slots": 1020})
        rooms[name] = self.slots

    monkeypatch.setattr(ArrayStore, "__init__", noted)
    recipe = Recipe()
    run = make_run(dataset, tmp_path, recipe, "bf16", 4 * 1024**3)
    assert set(batches_by_phase(run, PhotoNetwork(4))) == {recipe.phase(0), recipe.phase(recipe.epochs - 1)}
    assert rooms == {"photographs-176": 1020, "photographs-224": 1020, "views-main": 0, "views-final": 0}


def test_two_phases_of_one_size_keep_each_their_views(dataset: Path, tmp_path: Path) -> None:
    recipe = Recipe(size=64, final_size=64, batch_size=8, echo=2, freeze=2)
    run = make_run(dataset, tmp_path, recipe, "fp32", 1024**3)
    main, final = batches_by_phase(run, PhotoNetwork(4).eval()).values()
    for views in (main, final):
        list(views.epoch(0))
    for views in (main, final):
        assert all(views._store.holds(index, recipe.view(0, index)) for index in range(24))
    assert len(list(cache_folder(run).glob("photographs-*.data"))) == 1
