"""Augmented training photographs: random crops, flips, and changes of colour and shape."""

import numpy as np
import torch
from PIL import Image
from torch.utils.data import Dataset

from finetune.batches.array_store import ArrayStore
from finetune.batches.degradation import CarelessPhoto
from finetune.data.photo_batches import read_photo
from finetune.data.split import Split
from finetune.recipe import Recipe
from finetune.run.random_seeds import derived_seed
from finetune.torchvision_import import transforms

DECODED_SIDE = 2
"""Shorter side of a decoded photograph in the store, as a multiple of the side of an augmented view."""
DECODED_ASPECT = 2
"""Largest ratio of the sides of a decoded photograph in the store. Longer photographs are decoded in every epoch."""


def augmentation(recipe: Recipe) -> transforms.Compose:
    """Return the augmentation: RGB Pillow image to augmented view, a uint8 tensor (3, view_size, view_size)."""
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
    # After the changes of shape, which could move a small flower out of the frame.
    if recipe.turn or recipe.zoom_out or recipe.degrade:
        steps.append(CarelessPhoto(turn=recipe.turn, zoom_out=recipe.zoom_out, degrade=recipe.degrade))
    steps.append(transforms.PILToTensor())
    if recipe.erasing:
        steps.append(transforms.RandomErasing(recipe.erasing))
    return transforms.Compose(steps)


class TrainingPhotos(Dataset[tuple[torch.Tensor, int]]):
    """Augmented training photographs, each with random numbers of its own.

    The key of an item is (view number, index). Its augmentation depends only on the key and the seed, so neither the
    number of workers nor an interruption of the run changes it.
    """

    def __init__(self, split: Split, recipe: Recipe, decoded: ArrayStore | None = None) -> None:
        """Prepare the photographs of ``split``; none is read yet.

        Args:
            split: the photographs.
            recipe: says how to augment.
            decoded: a store for decoded photographs, with slots of `decoded_slot_bytes`.
        """
        self._split = split
        self._seed = recipe.seed
        self._decoded_side = DECODED_SIDE * recipe.view_size
        self._augment = augmentation(recipe)
        self._decoded = decoded

    def __len__(self) -> int:
        return len(self._split)

    def __getitem__(self, key: tuple[int, int]) -> tuple[torch.Tensor, int]:
        """Return (uint8 tensor of shape (view_size, view_size, 3), label)."""
        view, index = key
        image = self._decode(index)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derived_seed(self._seed, "view", view, index))
            crop = self._augment(image)
        return crop.permute(1, 2, 0), int(self._split.labels[index])

    def _decode(self, index: int) -> Image.Image:
        """Return the photograph, decoded and reduced to the size that augmentation needs."""
        stored = self._decoded.get(index) if self._decoded is not None else None
        if stored is not None:
            return Image.fromarray(stored)
        image = read_photo(self._split.paths[index], min_side=self._decoded_side)
        scale = self._decoded_side / min(image.size)
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
    """Return the size of the largest decoded photograph that the store takes, bytes."""
    side = DECODED_SIDE * recipe.view_size
    return DECODED_ASPECT * side * side * 3


def epoch_order(size: int, recipe: Recipe, epoch: int) -> list[list[int]]:
    """Return the batches of one epoch as lists of indices. They depend only on the seed and the epoch.

    Each index occurs once. An incomplete last batch is dropped, unless it is the only one.
    """
    order = np.random.default_rng(derived_seed(recipe.seed, "order", epoch)).permutation(size).tolist()
    batches = [order[start : start + recipe.batch_size] for start in range(0, size, recipe.batch_size)]
    return batches if len(batches) == 1 or len(batches[-1]) == recipe.batch_size else batches[:-1]
