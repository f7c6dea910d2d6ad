"""TODO from finetune.network.pretrained."""

import warnings
from pathlib import Path

import torch

from runtime.errors import FlowerError
from runtime.files.atomic import atomic_file

MAX_WEIGHTS_BYTES = 1024**3


class WeightsError(FlowerError):
    """Pretrained weights that cannot be had or do not fit."""


def load_untrusted(path: Path) -> object:
    """`torch.load` with ``weights_only=True``, on the CPU, with a limit, and errors in words."""
    if not path.is_file():
        raise WeightsError(f"{path}: no such file")
    if path.stat().st_size > MAX_WEIGHTS_BYTES:
        raise WeightsError(f"{path}: larger than {MAX_WEIGHTS_BYTES // 1024**2} MB; not a ResNet-50's weights")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    # The unpickler raises whatever a damaged or forged file leads to.
    except Exception:
        raise WeightsError(
            f"{path}: damaged, or not a file of tensors (nothing else is loaded: it could run code)"
        ) from None


class CheckpointError(FlowerError):
    """A checkpoint that is missing, damaged, or from something else."""


def save_tensors(content: object, path: Path) -> None:
    """`torch.save`, atomically.

    Raises:
        CheckpointError: the disk is full or read-only; what was at ``path`` is still there.
    """
    try:
        # Through a file object: torch writes a path's name into the file, and equal contents would differ.
        with atomic_file(path) as temporary, temporary.open("wb") as file:
            torch.save(content, file)
    # torch's writer reports a full disk as a RuntimeError, with internals of its file format as the text.
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or "is the disk full?"
        raise CheckpointError(
            f"{path}: cannot be written ({reason}); what was saved before is still there; free some space and go on"
        ) from None
