"""Validation: loss and accuracy of a network on the validation photographs."""

from collections.abc import Iterable, Iterator, Sequence

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

    @torch.no_grad()
    def predict(self, network: PhotoNetwork) -> np.ndarray:
        """Return the logits of all photographs: float32 (images, classes). Each process computes a part of them."""
        network.eval()
        run, count = self._run, len(self._split)
        logits = np.zeros((count, len(self._split.classes)))
        batches = [
            range(start, min(start + BATCH, count))
            for start in range(0, count, BATCH)[run.processes.rank :: run.processes.count]
        ]
        stored = {slots: arrays for slots in batches if (arrays := self._stored(slots)) is not None}
        decoded = self._decode([slots for slots in batches if slots not in stored])
        for slots in batches:
            if slots in stored:
                inputs = stack_features([from_array(array) for array in stored[slots]])
            else:
                inputs = frozen_features(run, network, torch.from_numpy(next(decoded)).to(run.hardware.device))
                store_features(self._store, [(slot, 0) for slot in slots], inputs)
            with run.hardware.autocast():
                output = network(inputs.to(run.hardware.device, non_blocking=True), run.recipe.freeze)
            logits[slots] = output.float().cpu().numpy()
        return run.processes.all_reduce_sum(logits).astype(np.float32)

    def _stored(self, slots: Iterable[int]) -> list[np.ndarray] | None:
        """Return the features of a batch, memory-mapped; None if one of them is not in the store."""
        arrays = []
        for slot in slots:
            array = self._store.get(slot)
            if array is None:
                return None
            arrays.append(array)
        return arrays

    def _decode(self, batches: Sequence[range]) -> Iterator[np.ndarray]:
        """Yield the pixels of each of ``batches``. Only two batches are in memory, however many there are.

        All batches but the last of the split have the same size, so they can be read as one sequence.
        """
        paths = [self._split.paths[slot] for slots in batches for slot in slots]
        with tqdm(
            total=len(paths),
            desc="reading validation",
            unit="img",
            leave=False,
            disable=None if self._run.processes.is_main and paths else True,
        ) as bar:
            for images in photo_batches(paths, self._run.preprocessing, BATCH):
                bar.update(len(images))
                yield images

    def measure(self, network: PhotoNetwork) -> dict[str, float]:
        """Return loss and accuracies, under the names of ``log.jsonl``. Accuracies are fractions from 0 to 1."""
        logits, labels = self.predict(network), self._split.labels
        return {
            "val_loss": float(nn.functional.cross_entropy(torch.from_numpy(logits), torch.from_numpy(labels))),
            "val_top1": top_k(logits, labels),
            "val_top5": top_k(logits, labels, 5),
            "val_mean_per_class": mean_per_class(logits, labels),
        }
