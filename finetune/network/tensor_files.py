"""Files of tensors: atomic writing, and reading from untrusted sources."""

import warnings
from pathlib import Path

import torch

from runtime.errors import FlowerError
from runtime.files.atomic import atomic_file

MAX_WEIGHTS_BYTES = 1024**3


class WeightsError(FlowerError):
    """Pretrained weights that are missing, damaged, or not those of a ResNet-50."""


class CheckpointError(FlowerError):
    """A checkpoint or training state that is missing, damaged, not written by this project, or cannot be written."""


def load_untrusted(path: Path) -> object:
    """Read a file with ``torch.load(..., weights_only=True)`` to the CPU.

    Returns:
        Tensors in plain containers. The file may hold nothing else.

    Raises:
        WeightsError: missing, larger than `MAX_WEIGHTS_BYTES`, damaged, or with content that could run code.
    """
    if not path.is_file():
        raise WeightsError(f"{path}: no such file")
    if path.stat().st_size > MAX_WEIGHTS_BYTES:
        raise WeightsError(f"{path}: larger than {MAX_WEIGHTS_BYTES // 1024**2} MB; not the weights of a ResNet-50")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    # torch's unpickler can raise any exception for a damaged or malicious file.
    except Exception:
        raise WeightsError(
            f"{path}: damaged, or not a file of tensors (anything else could run code, so it is not loaded)"
        ) from None


def save_tensors(content: object, path: Path) -> None:
    """Write ``content`` with `torch.save`, atomically.

    Raises:
        CheckpointError: the disk is full or read-only. The old file at ``path`` is unchanged then.
    """
    try:
        # Through a file object: given a path, torch writes the file's name into the file, and the same content would
        # give different bytes.
        with atomic_file(path) as temporary, temporary.open("wb") as file:
            torch.save(content, file)
    # torch's writer reports a full disk as a RuntimeError whose text describes the file format.
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or "is the disk full?"
        raise CheckpointError(
            f"{path}: cannot be written ({reason}); the last saved version is unchanged; free disk space and continue"
        ) from None
