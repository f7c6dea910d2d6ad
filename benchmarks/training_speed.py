"""Training speed: this project's loop against the plain one, in turns.

The plain loop is that of torchvision's reference script for classification, with the same network, frozen stages,
batches, crops and augmentation: every epoch decodes and augments every photograph in loader processes, runs the frozen
stages again, and computes in float32, channels first.
"""

import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from finetune.hardware import Hardware
from finetune.network import IMAGENET_MEAN, IMAGENET_STD, PhotoNetwork, set_trainable
from finetune.photos import augmentation, read_photo
from finetune.recipe import Recipe
from finetune.run import Run, new_state
from finetune.split import Split
from finetune.training import train_epoch
from finetune.views import TrainingViews
from finetune.weights import load_pretrained
from runtime.preprocessing import Preprocessing

IMAGES = 256
"""Photographs of one turn."""


class _PlainPhotos(Dataset[tuple[torch.Tensor, int]]):
    def __init__(self, split: Split, recipe: Recipe) -> None:
        self._split, self._augment = split, augmentation(recipe)
        self._mean, self._std = torch.tensor(IMAGENET_MEAN).view(3, 1, 1), torch.tensor(IMAGENET_STD).view(3, 1, 1)

    def __len__(self) -> int:
        return len(self._split)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        image = self._augment(read_photo(self._split.paths[index])).float() / 255
        return (image - self._mean) / self._std, int(self._split.labels[index])


def measure_training_speed(train: Split, weights: Path, recipe: Recipe, rounds: int) -> dict[str, Any]:
    """Images a second of both loops, and their ratios round by round.

    ``first`` is a run's first epoch, in which every view is new; ``later`` every other, in which one view in
    ``recipe.echo`` is; ``run`` the recipe's whole run.
    """
    split = train.head(IMAGES)
    epochs, recipe = recipe.epochs, replace(recipe, epochs=10_000, warmup_epochs=0.0, unfreeze_every=0)
    hardware = Hardware.detect("cpu")
    plain = _plain_loop(split, weights, recipe, hardware.workers)
    rates: dict[str, list[float]] = {"plain": [], "later": []}
    with tempfile.TemporaryDirectory() as folder:
        network = PhotoNetwork(len(split.classes))
        load_pretrained(network, weights)
        run = Run(
            recipe, Preprocessing(), split, None, Path(folder), {"train_sha256": "", "val_sha256": ""}, {}, hardware
        )
        state = new_state(run, network)
        set_trainable(network, recipe.freeze)
        views = TrainingViews(run, recipe, network)
        plain()  # warms up
        first = train_epoch(run, state, network, views, 0)["images_per_second"]
        train_epoch(run, state, network, views, 1)
        for turn in tqdm(range(rounds), desc="training speed", unit="round", disable=None):
            rates["plain"].append(plain())
            rates["later"].append(train_epoch(run, state, network, views, turn + 2)["images_per_second"])
    found = {name: np.array(values) for name, values in rates.items()}
    found["run"] = epochs / (1 / first + (epochs - 1) / found["later"])
    return {"first": first} | {
        name: {
            "images_per_second": np.percentile(values, [25, 50, 75]).tolist(),
            "ratio": np.percentile(values / found["plain"], [25, 50, 75]).tolist(),
        }
        for name, values in found.items()
    }


def _plain_loop(split: Split, weights: Path, recipe: Recipe, workers: int) -> Any:
    network = PhotoNetwork(len(split.classes))
    load_pretrained(network, weights)
    set_trainable(network, recipe.freeze)
    model = network.resnet
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=recipe.lr)
    criterion = nn.CrossEntropyLoss(label_smoothing=recipe.label_smoothing)
    loader = DataLoader(
        _PlainPhotos(split, recipe), batch_size=recipe.batch_size, shuffle=True, num_workers=workers, drop_last=True
    )

    def one_pass() -> float:
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

    return one_pass
