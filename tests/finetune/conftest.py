"""Fixtures for tests that train the small network."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from finetune import Recipe, train
from finetune.network.photo_network import PhotoNetwork
from runtime.photos.preprocessing import Preprocessing
from tests.samples import small_network as small
from tests.samples.schedule import SHORT

SHORT_RECIPE = Recipe(epochs=2, size=64, final_size=64, batch_size=8, validate_every=1)
"""The recipe of `SHORT`."""


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Compute in one thread, also after a test that chose more: rounding depends on the number of threads."""
    torch.set_num_threads(1)


@pytest.fixture
def small_network() -> Iterator[None]:
    """`PhotoNetwork` is a small ResNet during the test."""
    with small.small_network():
        yield


@pytest.fixture(scope="session")
def small_weights(make_once: Callable[..., Path]) -> Path:
    """Random weights for the small network, in place of ImageNet weights."""

    def save(folder: Path) -> None:
        with small.small_network():
            torch.manual_seed(0)
            torch.save(PhotoNetwork(1000).resnet.state_dict(), folder / "resnet50.pth")

    return make_once("small-weights", save) / "resnet50.pth"


@pytest.fixture(scope="session")
def small_run(dataset: Path, small_weights: Path, make_once: Callable[..., Path]) -> Path:
    """The output folder of `train` with `SHORT_RECIPE` and the small network. Tests must not change it."""

    def build(folder: Path) -> None:
        torch.set_num_threads(1)
        with small.small_network():
            train(
                dataset,
                weights=small_weights,
                output=folder,
                recipe=SHORT_RECIPE,
                preprocessing=Preprocessing(64),
                workers=0,
            )

    return make_once("small-run", build)


@pytest.fixture
def options(dataset: Path, small_weights: Path) -> list[str]:
    """Options of ``python -m finetune`` for the run of `small_run`, without ``--output``."""
    return ["--data", str(dataset), "--weights", str(small_weights), *SHORT]
