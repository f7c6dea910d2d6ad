"""Training batches: stored features are those that would be computed again."""

from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import torch

from finetune.batches.array_store import ArrayStore
from finetune.batches.augmentation import TrainingPhotos, epoch_order
from finetune.batches.training_batches import TrainingBatches, batches_by_phase
from finetune.data.dataset import read_split
from finetune.network.photo_network import PhotoNetwork, set_trainable
from finetune.network.pretrained import load_pretrained
from finetune.recipe import Recipe
from finetune.run.hardware import Hardware
from finetune.run.output_folder import cache_folder
from finetune.run.training_run import TrainingRun
from runtime.photos.preprocessing import Preprocessing

pytestmark = pytest.mark.usefixtures("small_network")
CACHE_BYTES = 1024**3


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


def pretrained_network(weights: Path, freeze: int) -> PhotoNetwork:
    network = PhotoNetwork(4)
    load_pretrained(network, weights)
    set_trainable(network, freeze)
    return network


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("freeze", [0, 3, 5])
def test_stored_features_equal_computed_ones(
    dataset: Path, small_weights: Path, tmp_path: Path, freeze: int, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = Recipe(size=64, batch_size=8, echo=2, freeze=freeze)
    network = pretrained_network(small_weights, freeze)
    with_store = TrainingBatches(make_run(dataset, tmp_path, recipe, precision, CACHE_BYTES), recipe, network)
    without_store = TrainingBatches(make_run(dataset, tmp_path, recipe, precision, 0), recipe, network)
    computed: list[int] = []
    compute = TrainingBatches._compute

    def count_computed(self: TrainingBatches, loaded: Any, indices: list[int], epoch: int) -> Any:
        computed.append(len(indices))
        return compute(self, loaded, indices, epoch)

    for epoch in range(3):
        expected = list(without_store.epoch(epoch))
        with monkeypatch.context() as context:
            context.setattr(TrainingBatches, "_compute", count_computed)
            actual = list(with_store.epoch(epoch))
        for (inputs, labels), (expected_inputs, expected_labels) in zip(actual, expected, strict=True):
            assert inputs.dtype == expected_inputs.dtype
            assert torch.allclose(inputs.float(), expected_inputs.float(), rtol=1e-2, atol=1e-2)
            assert torch.equal(labels, expected_labels)
            if 0 < freeze < 5:
                assert inputs.is_contiguous(memory_format=torch.channels_last)
    # All photographs in the first epoch, and half of them, with a new view, in each of the others.
    assert sum(computed) == 24 + 12 + 12


def test_view_is_used_in_several_epochs_with_different_windows(dataset: Path, tmp_path: Path) -> None:
    recipe = Recipe(size=64, batch_size=24, echo=3, freeze=0)
    batches = TrainingBatches(make_run(dataset, tmp_path, recipe, "fp32", CACHE_BYTES), recipe, PhotoNetwork(4))
    windows = {}
    for epoch in range(6):
        (inputs, _), (order,) = next(batches.epoch(epoch)), epoch_order(24, recipe, epoch)
        assert inputs.shape == (24, 64, 64, 3)
        windows[epoch] = inputs[order.index(0)].numpy().tobytes()
    assert [recipe.view_number(epoch, 0) for epoch in range(6)] == [0, 0, 0, 1, 1, 1]
    assert len(set(windows.values())) == 6


def test_interrupted_epoch_computes_the_same_features_when_resumed(
    dataset: Path, small_weights: Path, tmp_path: Path
) -> None:
    recipe = Recipe(size=64, batch_size=8, echo=2, freeze=2)
    network = pretrained_network(small_weights, 2)

    def make_batches(name: str) -> TrainingBatches:
        return TrainingBatches(make_run(dataset, tmp_path / name, recipe, "bf16", CACHE_BYTES), recipe, network)

    complete, interrupted = make_batches("complete"), make_batches("interrupted")
    for batches in (complete, interrupted):
        list(batches.epoch(0))
    next(interrupted.epoch(1))
    (data,) = (tmp_path / "interrupted" / "cache").glob("views-*.data")
    with data.open("r+b") as file:  # one slot is half-written
        file.write(b"\xff" * 64)
    resumed = make_batches("interrupted")
    for (inputs, _), (expected, _) in zip(resumed.epoch(1), complete.epoch(1), strict=True):
        assert torch.equal(inputs, expected)


def test_epoch_has_every_photograph_once() -> None:
    recipe = Recipe(batch_size=8)
    assert sorted(chain(*epoch_order(24, recipe, 3))) == list(range(24))
    assert len(list(chain(*epoch_order(25, recipe, 3)))) == 24
    assert epoch_order(5, recipe, 0)[0] != epoch_order(5, recipe, 1)[0]
    assert epoch_order(24, recipe, 1) != epoch_order(24, replace(recipe, seed=1), 1)


def test_augmentation_depends_only_on_seed_view_and_index(dataset: Path) -> None:
    photos = TrainingPhotos(read_split(dataset, "train"), Recipe(size=64))
    first = photos[3, 5][0]
    torch.manual_seed(99)
    assert torch.equal(photos[3, 5][0], first)
    assert not torch.equal(photos[4, 5][0], first)
    assert (first.shape, first.dtype) == ((64, 64, 3), torch.uint8)


def test_default_cache_size_fits_oxfords_photographs_in_both_phases(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The files are sparse, so this test does not write gigabytes."""
    slots: dict[str, int] = {}
    create = ArrayStore.__init__

    def create_for_oxford(self: ArrayStore, folder: Path, name: str, **arguments: Any) -> None:
        create(self, folder, name, **{**arguments, "slots": 1020})
        slots[name] = self.slots

    monkeypatch.setattr(ArrayStore, "__init__", create_for_oxford)
    recipe = Recipe()
    run = make_run(dataset, tmp_path, recipe, "bf16", 4 * 1024**3)
    assert set(batches_by_phase(run, PhotoNetwork(4))) == {recipe.for_epoch(0), recipe.for_epoch(recipe.epochs - 1)}
    assert slots == {"photographs-176": 1020, "photographs-224": 1020, "views-main": 0, "views-final": 0}


def test_phases_of_one_size_share_photographs_but_not_views(dataset: Path, tmp_path: Path) -> None:
    recipe = Recipe(size=64, final_size=64, batch_size=8, echo=2, freeze=2)
    run = make_run(dataset, tmp_path, recipe, "fp32", CACHE_BYTES)
    main, final = batches_by_phase(run, PhotoNetwork(4).eval()).values()
    for batches in (main, final):
        list(batches.epoch(0))
    for batches in (main, final):
        assert all(batches._store.contains(index, recipe.view_number(0, index)) for index in range(24))
    assert len(list(cache_folder(run).glob("photographs-*.data"))) == 1
