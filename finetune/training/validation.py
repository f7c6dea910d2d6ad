"""Validation: loss and accuracy of a network on the validation photographs."""

from functools import cached_property

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from finetune.accuracy import mean_per_class, top_k
from finetune.batches.feature_cache import (
    VALIDATION_FRACTION,
    from_array,
    frozen_features,
    open_feature_store,
    stack_features,
    store_features,
)
from finetune.data.photo_batches import photo_batches
from finetune.data.split import Split
from finetune.network.photo_network import PhotoNetwork
from finetune.run.training_run import TrainingRun

BATCH = 64


class Validation:
    """Measures networks on the validation photographs. The features of the frozen stages are cached."""

    def __init__(self, run: TrainingRun, split: Split, network: PhotoNetwork) -> None:
        self._run, self._split = run, split
        self._store = open_feature_store(
            run,
            network,
            "validation",
            size=run.preprocessing.size,
            images=len(split),
            max_bytes=int(VALIDATION_FRACTION * run.cache_bytes),
            identity={"preprocessing": run.preprocessing.to_dict(), "freeze": run.recipe.freeze},
        )

    @cached_property
    def _pixels(self) -> np.ndarray:
        """All photographs: uint8 (images, size, size, 3), 150 MB for a thousand. They are read at the first use."""
        batches = []
        with tqdm(
            total=len(self._split),
            desc="reading validation",
            unit="img",
            leave=False,
            disable=None if self._run.processes.is_main else True,
        ) as bar:
            for images in photo_batches(self._split.paths, self._run.preprocessing, BATCH):
                batches.append(images)
                bar.update(len(images))
        return np.concatenate(batches)

    @torch.no_grad()
    def predict(self, network: PhotoNetwork) -> np.ndarray:
        """Return the logits of all photographs: float32 (images, classes). Each process computes a part of them."""
        network.eval()
        run, count = self._run, len(self._split)
        logits = np.zeros((count, len(self._split.classes)))
        starts = range(0, count, BATCH)[run.processes.rank :: run.processes.count]
        for start in starts:
            slots = range(start, min(start + BATCH, count))
            stored = [array for slot in slots if (array := self._store.get(slot)) is not None]
            if len(stored) == len(slots):
                inputs = stack_features([from_array(array) for array in stored])
            else:
                images = torch.from_numpy(self._pixels[start : start + BATCH]).to(run.hardware.device)
                inputs = frozen_features(run, network, images)
                store_features(self._store, [(slot, 0) for slot in slots], inputs)
            with run.hardware.autocast():
                output = network(inputs.to(run.hardware.device, non_blocking=True), run.recipe.freeze)
            logits[start : start + BATCH] = output.float().cpu().numpy()
        return run.processes.all_reduce_sum(logits).astype(np.float32)

    def measure(self, network: PhotoNetwork) -> dict[str, float]:
        """Return loss and accuracies, under the names of ``log.jsonl``. Accuracies are fractions from 0 to 1."""
        logits, labels = self.predict(network), self._split.labels
        return {
            "val_loss": float(nn.functional.cross_entropy(torch.from_numpy(logits), torch.from_numpy(labels))),
            "val_top1": top_k(logits, labels),
            "val_top5": top_k(logits, labels, 5),
            "val_mean_per_class": mean_per_class(logits, labels),
        }
