"""Training speed: this project's training loop against a plain loop, interleaved.

The plain loop is that of torchvision's reference script for classification, with the same network, frozen stages,
batches, crops and augmentation. In every epoch it decodes and augments every photograph in loader processes, and it
also runs the frozen stages. It computes in float32 with channels first.
"""

import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from finetune.batches.augmentation import augmentation
from finetune.batches.training_batches import TrainingBatches
from finetune.data.photo_batches import read_photo
from finetune.data.split import Split
from finetune.network.photo_network import IMAGENET_MEAN, IMAGENET_STD, PhotoNetwork, set_trainable
from finetune.network.pretrained import load_pretrained
from finetune.recipe import Recipe
from finetune.run.hardware import Hardware
from finetune.run.training_run import TrainingRun
from finetune.run.training_state import new_state
from finetune.training.epoch import train_epoch
from runtime.distribution import module_command
from runtime.photos.preprocessing import Preprocessing

IMAGES = 256
"""Photographs in one epoch of a measurement."""


class _AugmentedPhotos(Dataset[tuple[torch.Tensor, int]]):
    """Photographs that are decoded and augmented at each access."""

    def __init__(self, split: Split, recipe: Recipe) -> None:
        self._split, self._augment = split, augmentation(recipe)
        self._mean, self._std = torch.tensor(IMAGENET_MEAN).view(3, 1, 1), torch.tensor(IMAGENET_STD).view(3, 1, 1)

    def __len__(self) -> int:
        return len(self._split)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        image = self._augment(read_photo(self._split.paths[index])).float() / 255
        return (image - self._mean) / self._std, int(self._split.labels[index])


def measure_training_speed(train: Split, weights: Path, recipe: Recipe, rounds: int) -> list[dict[str, Any]]:
    """Measure images per second of both loops in each phase of ``recipe`` and over its whole run.

    Every epoch is measured as a late one, in which all stages that the recipe unfreezes are trained. The first epoch is
    measured apart, because it computes every augmented view, and later epochs compute one in ``recipe.echo``.

    Args:
        train: the training split.
        weights: ImageNet weights.
        recipe: to measure.
        rounds: interleaved.

    Returns:
        Rows with quartiles of images per second, and quartiles of the ratios to the plain loop within each round.
    """
    split = train.head(IMAGES)
    last = round(recipe.final_share * recipe.epochs)
    main = replace(recipe, epochs=10_000, final_share=0.0, warmup_epochs=0.0, unfreeze_every=0)
    final = replace(replace(main, final_share=1.0).for_epoch(0), final_share=0.0)
    rows, plain_seconds, seconds = [], np.zeros(rounds), np.zeros(rounds)
    for name, phase, epochs in (("main", main, recipe.epochs - last), ("final", final, last)):
        if epochs:
            first, plain, ours = _rates(split, weights, phase, rounds)
            rows += [_row(f"plain loop, {name} epochs of {phase.size} pixels", plain, plain)]
            rows += [_row(f"{module_command('finetune')}, {name} epochs of {phase.size} pixels", ours, plain)]
            plain_seconds += epochs / plain
            seconds += 1 / first + (epochs - 1) / ours
    return [
        *rows,
        _row(f"{module_command('finetune')}, the whole run", recipe.epochs / seconds, recipe.epochs / plain_seconds),
    ]


def _row(name: str, rates: np.ndarray, plain: np.ndarray) -> dict[str, Any]:
    return {
        "name": name,
        "images_per_second": np.percentile(rates, [25, 50, 75]).tolist(),
        "ratio": np.percentile(rates / plain, [25, 50, 75]).tolist(),
    }


def _rates(split: Split, weights: Path, recipe: Recipe, rounds: int) -> tuple[float, np.ndarray, np.ndarray]:
    """Return images per second: of this project's first epoch, and of the plain loop and this project in each round."""
    hardware = Hardware.detect("cpu")
    plain = _plain_loop(split, weights, recipe, hardware.workers)
    rates = []
    with tempfile.TemporaryDirectory() as folder:
        network = PhotoNetwork(len(split.classes))
        load_pretrained(network, weights)
        run = TrainingRun(
            recipe, Preprocessing(), split, None, Path(folder), {"train_sha256": "", "val_sha256": ""}, {}, hardware
        )
        state = new_state(run, network)
        set_trainable(network, recipe.freeze)
        batches = TrainingBatches(run, recipe, network)
        plain()  # warm-up
        first = train_epoch(run, state, network, batches, 0)["images_per_second"]
        train_epoch(run, state, network, batches, 1)
        for index in tqdm(range(rounds), desc=f"training speed, {recipe.size} pixels", unit="round", disable=None):
            rates.append((plain(), train_epoch(run, state, network, batches, index + 2)["images_per_second"]))
    return first, *np.array(rates).T


def _plain_loop(split: Split, weights: Path, recipe: Recipe, workers: int) -> Callable[[], float]:
    """Return a function that trains for one epoch and returns its images per second."""
    network = PhotoNetwork(len(split.classes))
    load_pretrained(network, weights)
    set_trainable(network, recipe.freeze)
    model = network.resnet
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=recipe.lr)
    criterion = nn.CrossEntropyLoss(label_smoothing=recipe.label_smoothing)
    loader = DataLoader(
        _AugmentedPhotos(split, recipe), batch_size=recipe.batch_size, shuffle=True, num_workers=workers, drop_last=True
    )

    def train_one_epoch() -> float:
        started, seen = time.perf_counter(), 0
        for images, labels in loader:
            output = model(images)
            loss = criterion(output, labels)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), recipe.clip_norm)
            optimizer.step()
            loss.item()
            seen += len(labels)
        return seen / (time.perf_counter() - started)

    return train_one_epoch
