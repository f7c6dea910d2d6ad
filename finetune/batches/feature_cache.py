"""What the frozen stages give, on disk: where it is kept, in what form, and what it depends on."""

import hashlib
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from finetune.batches.array_store import ArrayStore
from finetune.network.photo_network import PhotoNetwork, stage_modules
from finetune.run.training_run import TrainingRun

CACHE = "cache"
PHOTOGRAPHS_SHARE, VIEWS_SHARE, VALIDATION_SHARE = 3 / 8, 3 / 8, 1 / 4
"""How the disk that a run may fill is divided. Of the default 4 GB, that is enough for Oxford's photographs in both
phases of the default recipe, which keeps no views and has their share as well; with views, a part is computed anew."""
_KEPT_AS = {torch.bfloat16: np.uint16, torch.float32: np.float32, torch.uint8: np.uint8}
"""numpy has no bfloat16; its bits go through uint16."""


def cache_folder(run: TrainingRun) -> Path:
    """Where the run's stores are."""
    return run.cache or run.output / CACHE


def open_feature_store(
    run: TrainingRun,
    network: PhotoNetwork,
    name: str,
    *,
    size: int,
    images: int,
    max_bytes: int,
    identity: dict[str, object],
) -> ArrayStore:
    """A store for what the recipe's frozen stages of ``network`` make of ``images`` images of ``size`` pixels."""
    frozen = hashlib.sha256()
    for stage in range(run.recipe.freeze):
        for module in stage_modules(network, stage):
            for tensor in module.state_dict().values():
                frozen.update(tensor.cpu().numpy().tobytes())
    sample = torch.zeros((1, size, size, 3), dtype=torch.uint8, device=run.hardware.device)
    modes = [module.training for module in network.modules()]
    sample = frozen_features(run, network.eval(), sample)
    for module, mode in zip(network.modules(), modes, strict=True):
        module.training = mode
    return ArrayStore(
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


def frozen_features(run: TrainingRun, network: PhotoNetwork, images: torch.Tensor) -> torch.Tensor:
    """What the recipe's frozen stages of ``network`` make of ``images``; the images themselves where none is frozen."""
    if not run.recipe.freeze:
        return images
    with torch.no_grad(), run.hardware.autocast():
        return network.between(images, 0, run.recipe.freeze)


def store_features(store: ArrayStore, places: Sequence[tuple[int, int]], batch: torch.Tensor) -> None:
    """Put each image of ``batch``, past the frozen stages, into its place: a slot and its edition."""
    if store.slots:
        for (slot, edition), part in zip(places, to_arrays(batch), strict=True):
            store.put(slot, part, edition)


def stack_features(parts: Sequence[torch.Tensor]) -> torch.Tensor:
    """Images past the frozen stages, channels last, as one batch in the shape that the next stage takes."""
    batch = torch.stack(list(parts))
    return batch.permute(0, 3, 1, 2) if batch.ndim == 4 and batch.dtype != torch.uint8 else batch


def channels_last(batch: torch.Tensor) -> torch.Tensor:
    """A stage's output (batch, channels, height, width) as (batch, height, width, channels); all else as it is.

    In memory it is so already: nothing is moved.
    """
    return batch.permute(0, 2, 3, 1) if batch.ndim == 4 and batch.dtype != torch.uint8 else batch


def to_arrays(batch: torch.Tensor) -> np.ndarray:
    """A stage's output as it is kept: channels last, bfloat16 as uint16."""
    batch = channels_last(batch).cpu().contiguous()
    return (batch.view(torch.uint16) if batch.dtype == torch.bfloat16 else batch).numpy()


def from_array(part: np.ndarray) -> torch.Tensor:
    """The reverse of `to_arrays`, for one image."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the array is read-only; it is only ever read
        tensor = torch.from_numpy(part)
    return tensor.view(torch.bfloat16) if tensor.dtype == torch.uint16 else tensor
