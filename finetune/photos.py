"""Photographs for the network: augmented for training, plain for everything else."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.utils.data import Dataset, Sampler

from finetune.oxford import DataError, Split
from finetune.recipe import Recipe
from finetune.vision import transforms
from runtime.errors import PhotoError
from runtime.photo import open_photo
from runtime.preprocessing import Preprocessing


def augmentation(recipe: Recipe) -> transforms.Compose:
    """From an RGB Pillow image to a training crop: uint8 tensor, shape (3, size, size)."""
    steps = [
        transforms.RandomResizedCrop(
            recipe.size,
            scale=(recipe.min_scale, 1.0),
            interpolation=transforms.InterpolationMode.BICUBIC,
            antialias=True,
        ),
        transforms.RandomHorizontalFlip(),
    ]
    if recipe.augmentation == "trivial":
        steps.append(transforms.TrivialAugmentWide())
    steps.append(transforms.PILToTensor())
    if recipe.erasing:
        steps.append(transforms.RandomErasing(recipe.erasing))
    return transforms.Compose(steps)


class TrainingPhotos(Dataset[tuple[torch.Tensor, int]]):
    """Augmented training photographs, each drawn from its own random stream.

    An item is asked for by (epoch, index), and its augmentation depends on these and the seed alone: not on how many
    workers there are, nor on whether the run was interrupted.
    """

    def __init__(self, split: Split, recipe: Recipe) -> None:
        self._split = split
        self._seed = recipe.seed
        self._augment = augmentation(recipe)

    def __len__(self) -> int:
        return len(self._split)

    def __getitem__(self, key: tuple[int, int]) -> tuple[torch.Tensor, int]:
        """Returns (uint8 tensor of shape (size, size, 3), label)."""
        epoch, index = key
        image = read_photo(self._split.paths[index])
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(stream(self._seed, epoch, index))
            crop = self._augment(image)
        return crop.permute(1, 2, 0), int(self._split.labels[index])


class EpochSampler(Sampler[tuple[int, int]]):
    """The order of one epoch, from the seed and the epoch alone. Set `epoch` before iterating."""

    def __init__(self, size: int, seed: int) -> None:
        self.epoch = 0
        self._size = size
        self._seed = seed

    def __iter__(self) -> Iterator[tuple[int, int]]:
        order = np.random.default_rng([self._seed, self.epoch]).permutation(self._size)
        return ((self.epoch, int(index)) for index in order)

    def __len__(self) -> int:
        return self._size


def stream(seed: int, *where: int) -> int:
    """A seed for one place of a run, independent of all others."""
    return int(np.random.SeedSequence([seed, *where]).generate_state(1, np.uint64)[0] >> 1)


@contextmanager
def _of_the_data_set() -> Iterator[None]:
    """A photo that cannot be read is a fault of the data set."""
    try:
        yield
    except PhotoError as error:
        raise DataError(f"{error}; restore this file of the data set") from None


def read_photo(path: Path) -> Image.Image:
    """A photograph of the data set; a `DataError` names it if it cannot be read."""
    with _of_the_data_set():
        return open_photo(path)


def batches(
    paths: Sequence[Path], preprocessing: Preprocessing, batch_size: int, *, threads: int = 2
) -> Iterator[np.ndarray]:
    """Preprocessed photographs in order, as uint8 arrays of shape (up to batch_size, size, size, 3).

    Decoding runs in threads, at most one batch ahead, so memory stays flat however many photographs there are.
    """

    def load(path: Path) -> np.ndarray:
        with _of_the_data_set():
            return preprocessing(path)

    remaining = iter(paths)
    with ThreadPoolExecutor(threads) as pool:
        ahead = [pool.submit(load, path) for path in islice(remaining, batch_size)]
        while ahead:
            current, ahead = ahead, [pool.submit(load, path) for path in islice(remaining, batch_size)]
            yield np.stack([future.result() for future in current])
