"""The batches of a training run: augmented views of the photographs, after the frozen stages.

An *augmented view* is one random crop of a photograph, with its changes of colour and shape. If a view is used in
several epochs (``--echo``), the output of the frozen stages for it is computed once and stored. In the later epochs the
photograph is not decoded and the frozen stages are not run. Such a view is larger than the training crop, and each
epoch trains on another window of it.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

import numpy as np
import torch
from torch.utils.data import DataLoader, default_collate

from finetune.batches.array_store import ArrayStore
from finetune.batches.augmentation import TrainingPhotos, decoded_slot_bytes, epoch_order
from finetune.batches.feature_cache import (
    PHOTOS_FRACTION,
    VIEWS_FRACTION,
    channels_last,
    from_array,
    frozen_features,
    open_feature_store,
    stack_features,
    store_features,
)
from finetune.data.photo_batches import read_photo
from finetune.data.split import DataError
from finetune.network.photo_network import PhotoNetwork
from finetune.network.stages import HEAD, STRIDES
from finetune.recipe import Recipe
from finetune.run.output_folder import cache_folder
from finetune.run.random_seeds import derived_seed
from finetune.run.training_run import TrainingRun

Features = torch.Tensor | np.ndarray
"""The output of the frozen stages for one image, channels last: a tensor if just computed, an array from the store."""


@dataclass(frozen=True)
class Window:
    """The part of a stored view that one epoch trains on.

    It is not mirrored: the features of a mirrored photograph are not the mirror image of the photograph's features.
    For example, a rising edge becomes a falling one, which other channels detect.
    """

    side: int
    top: int
    left: int

    def __call__(self, view: torch.Tensor) -> torch.Tensor:
        """Return the window of ``view``, whose shape is (height, width, channels)."""
        return view[self.top : self.top + self.side, self.left : self.left + self.side]


class TrainingBatches:
    """The batches of every epoch of one phase (main or final)."""

    def __init__(
        self,
        run: TrainingRun,
        recipe: Recipe,
        network: PhotoNetwork,
        *,
        phase: str = "main",
        photos_fraction: float = 1.0,
        views_fraction: float = 1.0,
    ) -> None:
        """Prepare the batches of one phase; `batches_by_phase` does so for all phases of a run.

        Args:
            run: the training run.
            recipe: the recipe of the phase, from `Recipe.for_epoch`.
            network: its frozen stages compute the features.
            phase: ``main`` or ``final``; part of the name of the store of views.
            photos_fraction: fraction of the space for decoded photographs. Phases of one size share a store.
            views_fraction: fraction of the space for views.
        """
        self._run, self._recipe, self._network = run, recipe, network
        # With new views in every epoch no view is stored, so their space is used for photographs.
        fraction = PHOTOS_FRACTION + (VIEWS_FRACTION if recipe.echo == 1 else 0)
        decoded = ArrayStore(
            cache_folder(run),
            f"photographs-{recipe.view_size}",
            identity={"train": run.provenance["train_sha256"], "versions": run.versions, "size": recipe.view_size},
            dtype=np.uint8,
            slots=len(run.train),
            slot_bytes=decoded_slot_bytes(recipe),
            max_bytes=int(fraction * photos_fraction * run.cache_bytes),
            folder_bytes=run.cache_bytes,
            report=run.report,
        )
        self._photos = TrainingPhotos(run.train, recipe, decoded)
        self._store = open_feature_store(
            run,
            network,
            f"views-{phase}",
            size=recipe.view_size,
            images=len(run.train),
            max_bytes=int(VIEWS_FRACTION * views_fraction * run.cache_bytes) if recipe.echo > 1 else 0,
            identity={
                name: getattr(recipe, name)
                for name in (
                    "size",
                    "min_scale",
                    "augmentation",
                    "turn",
                    "zoom_out",
                    "degrade",
                    "erasing",
                    "seed",
                    "echo",
                    "margin",
                    "freeze",
                )
            },
        )
        self._planned: list[list[tuple[int, int]]] = []
        self._loader = DataLoader(
            self._photos,
            batch_sampler=_PlannedBatches(self._planned),
            num_workers=run.hardware.workers,
            persistent_workers=run.hardware.workers > 0,
            pin_memory=run.hardware.device.type == "cuda",
        )

    def epoch(self, epoch: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield this process's part of each batch of ``epoch``.

        Yields:
            The input of the first stage that is not frozen, on the device, and the labels, int64.

        Raises:
            DataError: a photograph cannot be read.
        """
        labels, device = torch.from_numpy(self._run.train.labels), self._run.hardware.device
        order = epoch_order(len(self._run.train), self._run.recipe, epoch)
        batches = [self._run.processes.shard(batch) for batch in order]
        reused = self._photos_with_reused_view(epoch)
        to_compute = [self._select_to_compute(batch, epoch, reused) for batch in batches]
        self._planned[:] = [
            [(self._recipe.view_number(epoch, index), index) for index in indices] for indices in to_compute if indices
        ]
        loaded = iter(self._loader) if self._planned else iter(())
        for batch, indices in zip(batches, to_compute, strict=True):
            features = self._compute(loaded, indices, epoch) if indices else {}
            for index in batch:
                if index not in features:
                    stored = self._store.get(index, self._recipe.view_number(epoch, index))
                    # None if the slot was damaged after the batches were planned.
                    features |= {index: stored} if stored is not None else self._compute(None, [index], epoch)
            inputs = self._assemble([features[index] for index in batch], [self._window(epoch, i) for i in batch])
            yield inputs.to(device, non_blocking=True), labels[batch].to(device, non_blocking=True)

    def _select_to_compute(self, batch: list[int], epoch: int, reused: set[int]) -> list[int]:
        """Return the photographs of ``batch`` whose features must be computed.

        Rounding may depend on how many images the network processes at once. So new views of one batch are computed all
        together, even if an interrupted run has stored some of them.
        """
        missing = {index for index in batch if not self._store.contains(index, self._recipe.view_number(epoch, index))}
        if missing - reused:
            missing |= set(batch) - reused
        return [index for index in batch if index in missing]

    def _photos_with_reused_view(self, epoch: int) -> set[int]:
        """Return the photographs whose view in this epoch was also used in an earlier epoch."""
        recipe, size = self._recipe, len(self._run.train)
        return {
            index
            for earlier in range(max(0, epoch - recipe.echo + 1), epoch)
            if self._run.recipe.for_epoch(earlier) == self._run.recipe.for_epoch(epoch)
            for index in chain(*epoch_order(size, self._run.recipe, earlier))
            if recipe.view_number(earlier, index) == recipe.view_number(epoch, index)
        }

    def _compute(
        self, loaded: Iterator[list[torch.Tensor]] | None, indices: list[int], epoch: int
    ) -> dict[int, Features]:
        """Compute and store the features of views.

        Args:
            loaded: the loader's batches; None to load the photographs in this process.
            indices: the photographs.
            epoch: determines their views.
        """
        keys = [(self._recipe.view_number(epoch, index), index) for index in indices]
        try:
            images = next(loaded)[0] if loaded is not None else default_collate([self._photos[key][0] for key in keys])
        except DataError:
            # The message of an exception from a loader process is a traceback. Reading the photographs here raises
            # the original exception.
            for path in self._run.train.paths:
                read_photo(path)
            raise
        images = images.to(self._run.hardware.device, non_blocking=True)
        features = frozen_features(self._run, self._network, images)
        store_features(self._store, [(index, view) for view, index in keys], features)
        return dict(zip(indices, channels_last(features), strict=True))

    def _assemble(self, features: list[Features], windows: list[Window | None]) -> torch.Tensor:
        """Return one batch as the network takes it."""
        tensors = [each if isinstance(each, torch.Tensor) else from_array(each) for each in features]
        return stack_features(
            [window(tensor) if window else tensor for window, tensor in zip(windows, tensors, strict=True)]
        )

    def _window(self, epoch: int, index: int) -> Window | None:
        """Return the window of a photograph's view in ``epoch``; None if the view is not larger than the crop."""
        recipe, stride = self._recipe, STRIDES[self._recipe.freeze]
        side, view_side = math.ceil(recipe.size / stride), math.ceil(recipe.view_size / stride)
        if view_side == side or recipe.freeze == HEAD:
            return None
        random = np.random.default_rng(derived_seed(recipe.seed, "window", epoch, index))
        top, left = random.integers(0, view_side - side + 1, 2).tolist()
        return Window(side, top, left)


def batches_by_phase(run: TrainingRun, network: PhotoNetwork) -> dict[Recipe, TrainingBatches]:
    """Return the batches of each phase of a run; the key is the phase's recipe, from `Recipe.for_epoch`."""
    recipe = run.recipe
    # A dict instead of a set, because it keeps the order.
    phases = dict.fromkeys((recipe.for_epoch(0), recipe.for_epoch(recipe.epochs - 1)))
    sizes = {phase.view_size for phase in phases}
    return {
        phase: TrainingBatches(
            run, phase, network, phase=name, photos_fraction=1 / len(sizes), views_fraction=1 / len(phases)
        )
        for name, phase in zip(("main", "final"), phases, strict=False)
    }


class _PlannedBatches:
    """A batch sampler that yields the batches which a list holds when iteration starts."""

    def __init__(self, batches: list[list[tuple[int, int]]]) -> None:
        self._batches = batches

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        return iter(list(self._batches))

    def __len__(self) -> int:
        return len(self._batches)
