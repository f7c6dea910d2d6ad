"""Files of tensors: atomic writing, and reading from untrusted sources."""

import re
import warnings
from collections.abc import Mapping
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
    """Read a file of torch, with ``torch.load(..., weights_only=True)``, or of safetensors, to the CPU.

    Returns:
        Tensors in plain containers. The file may hold nothing else.

    Raises:
        WeightsError: missing, larger than `MAX_WEIGHTS_BYTES`, damaged, or with content that could run code; or a file
            of safetensors, and the package is not installed.
    """
    if not path.is_file():
        raise WeightsError(f"{path}: no such file")
    if path.stat().st_size > MAX_WEIGHTS_BYTES:
        raise WeightsError(f"{path}: larger than {MAX_WEIGHTS_BYTES // 1024**2} MB; not the weights of a ResNet-50")
    if _is_safetensors(path):
        return _load_safetensors(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    # torch's unpickler can raise any exception for a damaged or malicious file.
    except Exception as error:
        # torch's message, a page of text, names the class that the file would need.
        needed = re.search(r"Unsupported global: GLOBAL ([\w.]{1,80})", str(error))
        if needed:
            raise WeightsError(
                f"{path}: holds {needed[1]} besides tensors, which could run code, so it is not loaded; save the "
                "tensors alone with torch.save(model.state_dict(), FILE)"
            ) from None
        raise WeightsError(
            f"{path}: damaged, or not a file of tensors (anything else could run code, so it is not loaded)"
        ) from None


def _is_safetensors(path: Path) -> bool:
    """Return whether ``path`` is a file of safetensors, by its name or its first bytes: a length and a JSON object."""
    with path.open("rb") as file:
        start = file.read(9)
    length = int.from_bytes(start[:8], "little")
    return path.suffix == ".safetensors" or (start[8:] == b"{" and 0 < length <= path.stat().st_size)


def _load_safetensors(path: Path) -> dict[str, torch.Tensor]:
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load
    except ModuleNotFoundError:
        raise WeightsError(
            f"{path}: a file of safetensors, which needs a package: pip install 'flower-edge[safetensors]'"
        ) from None
    try:
        return load(path.read_bytes())
    # KeyError: a type of numbers that this version of safetensors does not know.
    except (SafetensorError, ValueError, KeyError):
        raise WeightsError(f"{path}: a damaged file of safetensors; download it again") from None


def unusable_tensor(tensors: Mapping[str, torch.Tensor]) -> str | None:
    """Return what is wrong with the first tensor of a state dict that a network cannot compute with, or None.

    Every value must be finite as a float32, and every variance 0 or more.
    """
    for name, tensor in tensors.items():
        if name.endswith("num_batches_tracked"):
            continue
        if not tensor.is_floating_point():
            return f"its tensor {name!r} has numbers of the type {tensor.dtype}, not floating-point numbers"
        values = tensor.detach().float()
        if not bool(torch.isfinite(values).all()):
            overflow = "; float16 ends at 65504, so save it as float32" if tensor.dtype == torch.float16 else ""
            return f"its tensor {name!r} holds NaN or infinity{overflow}"
        if name.endswith("running_var") and bool((values < 0).any()):
            return f"its tensor {name!r} holds negative variances"
    return None


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
