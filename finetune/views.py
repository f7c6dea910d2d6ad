"""Batches for training: augmented views of the photographs, past the stages that are never trained.

What those stages make of a view does not change during a run, so it is computed once and kept in a `Store`. From the
second time a view is met, neither the photograph is decoded nor the frozen stages are run. Views are larger than the
crops that are trained on, and every epoch takes another window of them.
"""

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader, default_collate

from finetune.network import STRIDES, PhotoNetwork, stage_modules
from finetune.photos import TrainingPhotos, decoded_slot_bytes, epoch_order, read_photo, stream
from finetune.recipe import Recipe
from finetune.run import Run
from finetune.split import DataError
from finetune.store import Store

CACHE = "cache"
PHOTOGRAPHS_SHARE, VIEWS_SHARE, VALIDATION_SHARE = 1 / 8, 3 / 4, 1 / 8
"""How the disk that a run may fill is divided: enough of each for Oxford's photographs and the default recipe."""
_KEPT_AS = {torch.bfloat16: np.uint16, torch.float32: np.float32, torch.uint8: np.uint8}
"""numpy has no bfloat16; its bits go through uint16."""


@dataclass(frozen=True)
class Window:
    """Which part of a kept view one epoch trains on."""

    side: int
    top: int
    left: int
    mirrored: bool

    def __call__(self, view: torch.Tensor) -> torch.Tensor:
        """The part of ``view``, whose shape is (height, width, channels)."""
        part = view[self.top : self.top + self.side, self.left : self.left + self.side]
        return part.flip(1) if self.mirrored else part


def windows(batch: torch.Tensor, chosen: Sequence[Window | None]) -> torch.Tensor:
    """Each image of ``batch``, or of what a stage made of it, cut to its window; features (batch, 2048) stay whole."""
    if batch.ndim == 2 or None in chosen:
        return batch
    is_image = batch.dtype == torch.uint8
    parts = batch if is_image else batch.permute(0, 2, 3, 1)
    cut = torch.stack([window(part) for window, part in zip(chosen, parts, strict=True) if window])
    return cut if is_image else cut.permute(0, 3, 1, 2)


class TrainingViews:
    """The batches of every epoch with crops of one kind."""

    def __init__(self, run: Run, recipe: Recipe, network: PhotoNetwork, *, share: float = 1.0) -> None:
        """``recipe`` is the run's, or what `Recipe.crops` makes of it; ``share`` of the cache is for these crops."""
        self._run, self._recipe, self._network = run, recipe, network
        decoded = Store(
            cache_folder(run),
            f"photographs-{recipe.size}",
            identity={"train": run.provenance["train_sha256"], "versions": run.versions, "size": recipe.view_size},
            dtype=np.uint8,
            slots=len(run.train),
            slot_bytes=decoded_slot_bytes(recipe),
            max_bytes=int(PHOTOGRAPHS_SHARE * share * run.cache_bytes),
            report=run.report,
        )
        self._photos = TrainingPhotos(run.train, recipe, decoded)
        self._store = stage_store(
            run,
            network,
            f"views-{recipe.size}",
            size=recipe.view_size,
            images=len(run.train) * recipe.views,
            max_bytes=int(VIEWS_SHARE * share * run.cache_bytes),
            identity={
                name: getattr(recipe, name)
                for name in ("size", "min_scale", "augmentation", "erasing", "seed", "views", "margin", "freeze")
            },
        )
        self._missing: list[list[tuple[int, int]]] = []
        self._loader = DataLoader(
            self._photos,
            batch_sampler=_Pending(self._missing),
            num_workers=run.hardware.workers,
            persistent_workers=run.hardware.workers > 0,
            pin_memory=run.hardware.device.type == "cuda",
        )

    def epoch(self, epoch: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """This process's part of each batch of ``epoch``.

        Yields:
            What the network's first stage that is not frozen takes, on the device, and the labels, int64.
        """
        view = self._run.recipe.view(epoch)
        labels = torch.from_numpy(self._run.train.labels)
        batches = [
            self._run.processes.share(batch) for batch in epoch_order(len(self._run.train), self._run.recipe, epoch)
        ]
        # A batch is taken from the store whole or computed whole: rounding may depend on a batch's size.
        stored = [all(self._slot(view, index) in self._store for index in batch) for batch in batches]
        self._missing[:] = [
            [(view, index) for index in batch] for batch, known in zip(batches, stored, strict=True) if not known
        ]
        loaded = iter(self._loader) if self._missing else iter(())
        for batch, known in zip(batches, stored, strict=True):
            slots = [self._slot(view, index) for index in batch]
            inputs = read_slots(self._store, slots) if known else None
            if inputs is None:
                inputs = self._compute(loaded, None if not known else [(view, index) for index in batch])
                write_slots(self._store, slots, inputs)
            inputs = windows(inputs, [self._window(epoch, index) for index in batch])
            device = self._run.hardware.device
            yield inputs.to(device, non_blocking=True), labels[batch].to(device, non_blocking=True)

    def _compute(self, loaded: Iterator[list[torch.Tensor]], damaged: list[tuple[int, int]] | None) -> torch.Tensor:
        try:
            images = next(loaded)[0] if damaged is None else default_collate([self._photos[key][0] for key in damaged])
        except DataError:
            # From a worker it arrives with that worker's traceback as its text. Meet it again here, in its own words.
            for path in self._run.train.paths:
                read_photo(path)
            raise
        images = images.to(self._run.hardware.device, non_blocking=True)
        freeze = self._run.recipe.freeze
        if not freeze:
            return images
        with torch.no_grad(), self._run.hardware.autocast():
            return self._network.between(images, 0, freeze)

    def _window(self, epoch: int, index: int) -> Window | None:
        recipe, stride = self._recipe, STRIDES[self._recipe.freeze]
        side, room = math.ceil(recipe.size / stride), math.ceil(recipe.view_size / stride)
        if not recipe.views or room == side:
            return None
        random = np.random.default_rng(stream(recipe.seed, 2, epoch, index))
        top, left = random.integers(0, room - side + 1, 2).tolist()
        return Window(side, top, left, mirrored=bool(random.integers(2)))

    def _slot(self, view: int, index: int) -> int:
        return view * len(self._run.train) + index


def cache_folder(run: Run) -> Path:
    """Where the run's stores are."""
    return run.cache or run.output / CACHE


class _Pending:
    """A sampler of whatever batches the list it was made with holds at the time."""

    def __init__(self, batches: list[list[tuple[int, int]]]) -> None:
        self._batches = batches

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        return iter(list(self._batches))

    def __len__(self) -> int:
        return len(self._batches)


def stage_store(
    run: Run, network: PhotoNetwork, name: str, *, size: int, images: int, max_bytes: int, identity: dict[str, object]
) -> Store:
    """A store for what the recipe's frozen stages of ``network`` make of ``images`` images of ``size`` pixels."""
    freeze = run.recipe.freeze
    frozen = hashlib.sha256()
    for stage in range(freeze):
        for module in stage_modules(network, stage):
            for tensor in module.state_dict().values():
                frozen.update(tensor.cpu().numpy().tobytes())
    sample = torch.zeros((1, size, size, 3), dtype=torch.uint8, device=run.hardware.device)
    if freeze:
        modes = [module.training for module in network.modules()]
        network.eval()
        with torch.no_grad(), run.hardware.autocast():
            sample = network.between(sample, 0, freeze)
        for module, mode in zip(network.modules(), modes, strict=True):
            module.training = mode
    return Store(
        cache_folder(run),
        name,
        identity={
            **identity,
            "frozen": frozen.hexdigest(),
            "data": [run.provenance["train_sha256"], run.provenance["val_sha256"]],
            "arithmetic": [run.hardware.device.type, run.hardware.precision],
            "versions": run.versions,
        },
        dtype=_KEPT_AS[sample.dtype],
        slots=images,
        slot_bytes=sample.nbytes,
        max_bytes=max_bytes,
        report=run.report,
    )


def read_slots(store: Store, slots: list[int]) -> torch.Tensor | None:
    """One batch from ``store``, as the network takes it; None if a slot is empty or damaged."""
    parts = []
    for slot in slots:
        part = store.get(slot)
        if part is None:
            return None
        parts.append(part)
    batch = torch.from_numpy(np.stack(parts))
    if batch.dtype == torch.uint8:
        return batch
    if batch.dtype == torch.uint16:
        batch = batch.view(torch.bfloat16)
    # Kept channels last; a permuted view is channels first in shape and channels last in memory.
    return batch.permute(0, 3, 1, 2) if batch.ndim == 4 else batch


def write_slots(store: Store, slots: list[int], batch: torch.Tensor) -> None:
    """The reverse of `read_slots`."""
    if min(slots) >= store.slots:
        return
    batch = batch.cpu()
    if batch.dtype != torch.uint8 and batch.ndim == 4:
        batch = batch.permute(0, 2, 3, 1).contiguous()
    if batch.dtype == torch.bfloat16:
        batch = batch.view(torch.uint16)
    for slot, part in zip(slots, batch.numpy(), strict=True):
        store.put(slot, part)
