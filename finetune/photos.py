"""Photographs for the network: augmented for training, plain for everything else."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.utils.data import Dataset

from finetune.recipe import Recipe
from finetune.split import DataError, Split
from finetune.store import Store
from finetune.vision import transforms
from runtime.errors import PhotoError
from runtime.photo import open_photo
from runtime.preprocessing import Preprocessing

DECODED_SIDE = 2
"""Shorter side of a photograph kept for augmentation, as a multiple of the training crop's side."""
DECODED_ASPECT = 2
"""Longest photographs kept, width to height or the other way around. Longer ones are decoded every time."""


def augmentation(recipe: Recipe) -> transforms.Compose:
    """From an RGB Pillow image to a training crop: uint8 tensor, shape (3, view_size, view_size)."""
    steps = [
        transforms.RandomResizedCrop(
            recipe.view_size,
            scale=(recipe.min_scale, 1.0),
            interpolation=transforms.InterpolationMode.BICUBIC,
            antialias=True,
        ),
        transforms.RandomHorizontalFlip(),
    ]
    if recipe.augmentation == "trivial":
        steps.append(transforms.TrivialAugmentWide())
    elif recipe.augmentation == "rand":
        steps.append(transforms.RandAugment())
    steps.append(transforms.PILToTensor())
    if recipe.erasing:
        steps.append(transforms.RandomErasing(recipe.erasing))
    return transforms.Compose(steps)


class TrainingPhotos(Dataset[tuple[torch.Tensor, int]]):
    """Augmented training photographs, each drawn from its own random stream.

    An item is asked for by (view, index), and its augmentation depends on these and the seed alone: not on how many
    workers there are, nor on whether the run was interrupted.
    """

    def __init__(self, split: Split, recipe: Recipe, decoded: Store | None = None) -> None:
        """``decoded``, if given, keeps the decoded photographs; `decoded_slot_bytes` is what a slot of it must hold."""
        self._split = split
        self._seed = recipe.seed
        self._side = DECODED_SIDE * recipe.view_size
        self._augment = augmentation(recipe)
        self._decoded = decoded

    def __len__(self) -> int:
        return len(self._split)

    def __getitem__(self, key: tuple[int, int]) -> tuple[torch.Tensor, int]:
        """Returns (uint8 tensor of shape (view_size, view_size, 3), label)."""
        view, index = key
        image = self._photo(index)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(stream(self._seed, view, index))
            crop = self._augment(image)
        return crop.permute(1, 2, 0), int(self._split.labels[index])

    def _photo(self, index: int) -> Image.Image:
        kept = self._decoded.get(index) if self._decoded is not None else None
        if kept is not None:
            return Image.fromarray(kept)
        image = read_photo(self._split.paths[index], least_side=self._side)
        scale = self._side / min(image.size)
        if scale < 1:
            image = image.resize(
                (max(1, round(image.width * scale)), max(1, round(image.height * scale))),
                Image.Resampling.BICUBIC,
                reducing_gap=3.0,
            )
        if self._decoded is not None:
            self._decoded.put(index, np.asarray(image))
        return image


def decoded_slot_bytes(recipe: Recipe) -> int:
    """What the largest photograph kept decoded takes."""
    side = DECODED_SIDE * recipe.view_size
    return DECODED_ASPECT * side * side * 3


def epoch_order(size: int, recipe: Recipe, epoch: int) -> list[list[int]]:
    """The batches of one epoch, from the seed and the epoch alone: indices, each once.

    An incomplete last batch is left out, unless it is the only one.
    """
    order = np.random.default_rng([recipe.seed, epoch]).permutation(size).tolist()
    batches = [order[start : start + recipe.batch_size] for start in range(0, size, recipe.batch_size)]
    return batches if len(batches) == 1 or len(batches[-1]) == recipe.batch_size else batches[:-1]


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


def read_photo(path: Path, *, least_side: int | None = None) -> Image.Image:
    """A photograph of the data set; a `DataError` names it if it cannot be read."""
    with _of_the_data_set():
        return open_photo(path, least_side=least_side)


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
