"""The feature cache: outputs of the frozen stages on disk, because they do not change during a run."""

import hashlib
import warnings
from collections.abc import Sequence

import numpy as np
import torch

from finetune.batches.array_store import ArrayStore
from finetune.network.photo_network import PhotoNetwork, stage_modules
from finetune.run.output_folder import cache_folder
from finetune.run.training_run import TrainingRun

PHOTOS_FRACTION, VIEWS_FRACTION, VALIDATION_FRACTION = 3 / 8, 3 / 8, 1 / 4
"""How the size of the cache is divided between decoded photographs, views, and validation.

With the default of 4 GB, Oxford's photographs fit for both phases of the default recipe, which stores no views and uses
their fraction for photographs. A recipe with views computes those that do not fit again."""

_STORED_DTYPES = {torch.bfloat16: np.uint16, torch.float32: np.float32, torch.uint8: np.uint8}
"""numpy has no bfloat16, so its bits are stored as uint16."""


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
    """Open a store for the outputs of the recipe's frozen stages.

    Args:
        run: its settings are part of the store's identity.
        network: its frozen stages are part of the store's identity.
        name: of the store.
        size: side of the images, pixels.
        images: number of slots.
        max_bytes: size of the store.
        identity: what else the outputs depend on.
    """
    frozen_weights = hashlib.sha256()
    for stage in range(run.recipe.freeze):
        for module in stage_modules(network, stage):
            for tensor in module.state_dict().values():
                frozen_weights.update(tensor.cpu().numpy().tobytes())
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
            "frozen": frozen_weights.hexdigest(),
            "data": [run.provenance["train_sha256"], run.provenance["val_sha256"]],
            "arithmetic": [run.hardware.device.type, run.hardware.precision],
            "versions": run.versions,
        },
        dtype=_STORED_DTYPES[sample.dtype],
        slots=images,
        slot_bytes=sample.nbytes,
        max_bytes=max_bytes,
        folder_bytes=run.cache_bytes,
        report=run.report,
    )


def frozen_features(run: TrainingRun, network: PhotoNetwork, images: torch.Tensor) -> torch.Tensor:
    """Return the output of the recipe's frozen stages; ``images`` itself if no stage is frozen.

    Args:
        run: has the number of frozen stages and the precision.
        network: on the run's device.
        images: uint8, shape (batch, height, width, 3), on the run's device.
    """
    if not run.recipe.freeze:
        return images
    with torch.no_grad(), run.hardware.autocast():
        return network.run_stages(images, 0, run.recipe.freeze)


def store_features(store: ArrayStore, keys: Sequence[tuple[int, int]], batch: torch.Tensor) -> None:
    """Write each image's features in ``batch`` to its place in ``store``; ``keys`` are (slot, version)."""
    if store.slots:
        for (slot, version), features in zip(keys, to_arrays(batch), strict=True):
            store.put(slot, features, version)


def stack_features(features: Sequence[torch.Tensor]) -> torch.Tensor:
    """Return one batch in the shape of the next stage's input, from channels-last features of single images."""
    batch = torch.stack(list(features))
    return batch.permute(0, 3, 1, 2) if batch.ndim == 4 and batch.dtype != torch.uint8 else batch


def channels_last(batch: torch.Tensor) -> torch.Tensor:
    """Return a stage's output (batch, channels, height, width) as (batch, height, width, channels).

    Images (uint8) and feature vectors are returned unchanged. The memory layout is channels-last already, so no data is
    copied.
    """
    return batch.permute(0, 2, 3, 1) if batch.ndim == 4 and batch.dtype != torch.uint8 else batch


def to_arrays(batch: torch.Tensor) -> np.ndarray:
    """Return a stage's output in the form of the store: channels last, bfloat16 as uint16."""
    batch = channels_last(batch).cpu().contiguous()
    array: np.ndarray = (batch.view(torch.uint16) if batch.dtype == torch.bfloat16 else batch).numpy()
    return array


def from_array(array: np.ndarray) -> torch.Tensor:
    """Return the features of one image from the form of the store; the inverse of `to_arrays`."""
    with warnings.catch_warnings():
        # torch warns that the array is read-only. The tensor is never written to.
        warnings.simplefilter("ignore")
        tensor = torch.from_numpy(array)
    return tensor.view(torch.bfloat16) if tensor.dtype == torch.uint16 else tensor
