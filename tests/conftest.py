"""Fixtures that several test files share. A slow one is made once, even if pytest runs several worker processes.

This module imports no training library: the tests of the runtime run in an environment that has none.
"""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from tests.samples.schedule import SHORT

# The same inputs every time, however slow or busy the machine is.
settings.register_profile(
    "deterministic", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("deterministic")
# Tests and their processes leave the user's cache alone.
os.environ["FLOWER_EDGE_CACHE"] = ""


@pytest.fixture(scope="session")
def make_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[Path], object]], Path]:
    """Return a function that makes a named folder once for all worker processes.

    The first worker that asks for a name makes its folder; the others wait for it.
    """

    def make(name: str, build: Callable[[Path], object]) -> Path:
        worker = os.environ.get("PYTEST_XDIST_WORKER")
        if worker is None:
            folder = tmp_path_factory.mktemp(name)
            build(folder)
            return folder
        from filelock import FileLock

        # Every worker has a folder of its own inside one that belongs to the whole run.
        folder = tmp_path_factory.getbasetemp().parent / f"shared-{name}"
        with FileLock(folder.with_suffix(".lock")):
            if not (complete := folder.with_suffix(".complete")).exists():
                folder.mkdir()
                build(folder)
                complete.touch()
        return folder

    return make


@pytest.fixture(scope="session")
def dataset(make_once: Callable[..., Path]) -> Path:
    """A drawn data set: 4 species, 24 + 12 + 12 pictures. Tests must not change it."""
    from tests.samples.drawn_flowers import draw_dataset

    return make_once("data", draw_dataset)


@pytest.fixture(scope="session")
def weights(make_once: Callable[..., Path]) -> Path:
    """A state dict with the names and shapes of a ResNet-50 and random values, in the place of ImageNet weights."""

    def save(folder: Path) -> None:
        import torch

        from finetune.network.photo_network import PhotoNetwork

        torch.manual_seed(0)
        torch.save(PhotoNetwork(1000).resnet.state_dict(), folder / "resnet50.pth")

    return make_once("weights", save) / "resnet50.pth"


@pytest.fixture(scope="session")
def run_folder(dataset: Path, weights: Path, make_once: Callable[..., Path]) -> Path:
    """The output folder of a short training run on the drawn data. Tests must not change it."""

    def train(folder: Path) -> None:
        from finetune.command_line import main as finetune

        assert finetune(["--data", str(dataset), "--weights", str(weights), "--output", str(folder), *SHORT]) == 0

    return make_once("run", train)


@pytest.fixture(scope="session")
def exported(run_folder: Path, dataset: Path, make_once: Callable[..., Path]) -> Path:
    """A folder with the FP32 and INT8 files of ``run_folder``, measured on validation and test."""

    def export(folder: Path) -> None:
        from export.command_line import main

        arguments = ["--checkpoint", str(run_folder / "best.pt"), "--data", str(dataset), "--output", str(folder)]
        # Of the dozen drawn photographs, one is eight percentage points.
        assert main([*arguments, "--quantize", "int8", "--max-drop", "100"]) == 0

    return make_once("exported", export)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A drawn flower as a JPEG file."""
    from tests.samples.drawn_flowers import draw_flower

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
