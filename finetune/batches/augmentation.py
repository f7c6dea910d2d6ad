"""Photographs for the network: augmented for training, plain for everything else."""

import numpy as np
import torch
from PIL import Image
from torch.utils.data import Dataset

from finetune.batches.array_store import ArrayStore
from finetune.data.photo_batches import read_photo
from finetune.data.split import Split
from finetune.network.torchvision_import import transforms
from finetune.recipe import Recipe
from finetune.run.random_seeds import derived_seed

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

    def __init__(self, split: Split, recipe: Recipe, decoded: ArrayStore | None = None) -> None:
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
            torch.manual_seed(derived_seed(self._seed, view, index))
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
    photo_batches = [order[start : start + recipe.batch_size] for start in range(0, size, recipe.batch_size)]
    return (
        photo_batches if len(photo_batches) == 1 or len(photo_batches[-1]) == recipe.batch_size else photo_batches[:-1]
    )
