"""Fixtures that several files share. Heavy ones are made once a session."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, settings

from finetune.command_line import main as finetune
from finetune.network.photo_network import PhotoNetwork
from tests.samples.drawn_flowers import draw_dataset, draw_flower

SHORT = ("--epochs", "2", "--size", "64", "--final-size", "64", "--test-size", "64", "--batch-size", "8",
         "--workers", "0", "--validate-every", "1")  # fmt: skip
"""A schedule that takes seconds."""

# The same inputs every time, however slow or busy the machine is.
settings.register_profile(
    "same-everywhere", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("same-everywhere")


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A drawn data set: 4 species, 24 + 12 + 12 pictures. Not to be changed."""
    return draw_dataset(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state dict of the right names and shapes, with random values, standing in for ImageNet weights."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "resnet50.pth"
    torch.save(PhotoNetwork(1000).resnet.state_dict(), path)
    return path


@pytest.fixture(scope="session")
def run_folder(dataset: Path, weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output folder of a short training run on the drawn data. Not to be changed."""
    output = tmp_path_factory.mktemp("run")
    status = finetune(["--data", str(dataset), "--weights", str(weights), "--output", str(output), *SHORT])
    assert status == 0
    return output


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A drawn flower as a JPEG file."""
    path = tmp_path / "photo.jpg"
    draw_flower(1, np.random.default_rng(1), 160).save(path, quality=90)
    return path


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The real photographs, for tests marked ``real``."""
    for place in (os.environ.get("FLOWERS_DATA"), Path(__file__).parents[2] / "shared" / "data"):
        if place and (Path(place) / "flowers-102").is_dir():
            return Path(place)
    pytest.skip("no real photographs: set FLOWERS_DATA, or put them at ../shared/data")
