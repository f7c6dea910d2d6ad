"""Batches for training: augmented views of the photographs, past the stages that are never trained.

What those stages make of a view does not change during a run, so it is computed once and kept in a `Store` for the
epochs that the view serves. In the second of them and later, the photograph is not decoded and the frozen stages are
not run. Such views are larger than the crops that are trained on, and every epoch takes another window of them.
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
    PHOTOGRAPHS_SHARE,
    VIEWS_SHARE,
    cache_folder,
    channels_last,
    from_array,
    frozen_features,
    open_feature_store,
    stack_features,
    store_features,
)
from finetune.data.photo_batches import read_photo
from finetune.data.split import DataError
from finetune.network.photo_network import HEAD, STRIDES, PhotoNetwork
from finetune.recipe import Recipe
from finetune.run.random_seeds import derived_seed
from finetune.run.training_run import TrainingRun

Part = torch.Tensor | np.ndarray
"""One image past the frozen stages, channels last: just computed, or still in the store."""


@dataclass(frozen=True)
class Window:
    """Which part of a kept view one epoch trains on.

    Not mirrored: what a stage makes of a mirrored photograph is not the mirror image of what it makes of the
    photograph (an edge that rises to the right becomes one that falls, which other channels see).
    """

    side: int
    top: int
    left: int

    def __call__(self, view: torch.Tensor) -> torch.Tensor:
        """The part of ``view``, whose shape is (height, width, channels)."""
        return view[self.top : self.top + self.side, self.left : self.left + self.side]


class TrainingBatches:
    """The batches of every epoch of one phase."""

    def __init__(
        self,
        run: TrainingRun,
        recipe: Recipe,
        network: PhotoNetwork,
        *,
        phase: str = "main",
        photographs_share: float = 1.0,
        views_share: float = 1.0,
    ) -> None:
        """Prepare the batches of a phase; `views_of` does so for all phases of a run.

        Args:
            recipe: the run's, or what `Recipe.phase` makes of it.
            phase: in the name of its views' store.
            photographs_share: of the room for decoded photographs; the same in phases of one size, who share a store.
            views_share: of the room for views.
        """
        self._run, self._recipe, self._network = run, recipe, network
        # Where every epoch has new views, none is kept, and their room is the photographs'.
        room = PHOTOGRAPHS_SHARE + (VIEWS_SHARE if recipe.echo == 1 else 0)
        decoded = ArrayStore(
            cache_folder(run),
            f"photographs-{recipe.view_size}",
            identity={"train": run.provenance["train_sha256"], "versions": run.versions, "size": recipe.view_size},
            dtype=np.uint8,
            slots=len(run.train),
            slot_bytes=decoded_slot_bytes(recipe),
            max_bytes=int(room * photographs_share * run.cache_bytes),
            report=run.report,
        )
        self._photos = TrainingPhotos(run.train, recipe, decoded)
        self._store = open_feature_store(
            run,
            network,
            f"views-{phase}",
            size=recipe.view_size,
            images=len(run.train),
            max_bytes=int(VIEWS_SHARE * views_share * run.cache_bytes) if recipe.echo > 1 else 0,
            identity={
                name: getattr(recipe, name)
                for name in ("size", "min_scale", "augmentation", "erasing", "seed", "echo", "margin", "freeze")
            },
        )
        self._pending: list[list[tuple[int, int]]] = []
        self._loader = DataLoader(
            self._photos,
            batch_sampler=_Pending(self._pending),
            num_workers=run.hardware.workers,
            persistent_workers=run.hardware.workers > 0,
            pin_memory=run.hardware.device.type == "cuda",
        )

    def epoch(self, epoch: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """This process's part of each batch of ``epoch``.

        Yields:
            What the network's first stage that is not frozen takes, on the device, and the labels, int64.
        """
        labels, device = torch.from_numpy(self._run.train.labels), self._run.hardware.device
        order = epoch_order(len(self._run.train), self._run.recipe, epoch)
        batches = [self._run.processes.share(batch) for batch in order]
        known = self._had_this_view_before(epoch)
        missing = [self._missing_in(batch, epoch, known) for batch in batches]
        self._pending[:] = [[(self._recipe.view(epoch, index), index) for index in some] for some in missing if some]
        loaded = iter(self._loader) if self._pending else iter(())
        for batch, some in zip(batches, missing, strict=True):
            parts = self._compute(loaded, some, epoch) if some else {}
            for index in batch:
                if index not in parts:
                    kept = self._store.get(index, self._recipe.view(epoch, index))
                    # Damaged since the batches were planned.
                    parts |= {index: kept} if kept is not None else self._compute(None, [index], epoch)
            inputs = self._assembled([parts[index] for index in batch], [self._window(epoch, index) for index in batch])
            yield inputs.to(device, non_blocking=True), labels[batch].to(device, non_blocking=True)

    def _missing_in(self, batch: list[int], epoch: int, known: set[int]) -> list[int]:
        """What of ``batch`` must be computed.

        Views that are met for the first time are computed together or not at all, wherever a run before was broken
        off: rounding may depend on how many images go through the network at once.
        """
        missing = {index for index in batch if not self._store.holds(index, self._recipe.view(epoch, index))}
        if missing - known:
            missing |= set(batch) - known
        return [index for index in batch if index in missing]

    def _had_this_view_before(self, epoch: int) -> set[int]:
        """The photographs that were trained on, in an earlier epoch, in the view that they have in this one."""
        recipe, size = self._recipe, len(self._run.train)
        return {
            index
            for earlier in range(max(0, epoch - recipe.echo + 1), epoch)
            if self._run.recipe.phase(earlier) == self._run.recipe.phase(epoch)
            for index in chain(*epoch_order(size, self._run.recipe, earlier))
            if recipe.view(earlier, index) == recipe.view(epoch, index)
        }

    def _compute(self, loaded: Iterator[list[torch.Tensor]] | None, indices: list[int], epoch: int) -> dict[int, Part]:
        """Views past the frozen stages, kept for later: from the loader, or without it in this process."""
        keys = [(self._recipe.view(epoch, index), index) for index in indices]
        try:
            images = next(loaded)[0] if loaded is not None else default_collate([self._photos[key][0] for key in keys])
        except DataError:
            # From a worker it arrives with that worker's traceback as its text. Meet it again here, in its own words.
            for path in self._run.train.paths:
                read_photo(path)
            raise
        images = images.to(self._run.hardware.device, non_blocking=True)
        found = frozen_features(self._run, self._network, images)
        store_features(self._store, [(index, view) for view, index in keys], found)
        return dict(zip(indices, channels_last(found), strict=True))

    def _assembled(self, parts: list[Part], windows: list[Window | None]) -> torch.Tensor:
        """One batch as the network takes it."""
        tensors = [part if isinstance(part, torch.Tensor) else from_array(part) for part in parts]
        return stack_features([window(part) if window else part for window, part in zip(windows, tensors, strict=True)])

    def _window(self, epoch: int, index: int) -> Window | None:
        recipe, stride = self._recipe, STRIDES[self._recipe.freeze]
        side, room = math.ceil(recipe.size / stride), math.ceil(recipe.view_size / stride)
        if room == side or recipe.freeze == HEAD:
            return None
        random = np.random.default_rng(derived_seed(recipe.seed, 2, epoch, index))
        top, left = random.integers(0, room - side + 1, 2).tolist()
        return Window(side, top, left)


def batches_by_phase(run: TrainingRun, network: PhotoNetwork) -> dict[Recipe, TrainingBatches]:
    """The batches of each phase of a run, by what `Recipe.phase` makes of the recipe."""
    recipe = run.recipe
    phases = dict.fromkeys((recipe.phase(0), recipe.phase(recipe.epochs - 1)))  # each once, in their order
    sizes = {phase.view_size for phase in phases}
    return {
        phase: TrainingBatches(
            run, phase, network, phase=name, photographs_share=1 / len(sizes), views_share=1 / len(phases)
        )
        for name, phase in zip(("main", "final"), phases, strict=False)
    }


class _Pending:
    """A sampler of whatever batches the list it was made with holds at the time."""

    def __init__(self, batches: list[list[tuple[int, int]]]) -> None:
        self._batches = batches

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        return iter(list(self._batches))

    def __len__(self) -> int:
        return len(self._batches)
