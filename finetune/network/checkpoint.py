"""The checkpoint: weights, and all that is needed to use them.

A checkpoint is a file for `torch.load(..., weights_only=True)`: tensors and plain containers, no code. ``state_dict``
has the names of torchvision's ``resnet50``, so other tools can load it.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from finetune.network.architecture import RESNET50, Architecture
from finetune.network.photo_network import IMAGENET_STD, PIXEL_ZERO, PhotoNetwork
from finetune.network.tensor_files import CheckpointError, WeightsError, load_untrusted, save_tensors, unusable_tensor
from runtime.distribution import module_command
from runtime.photos.preprocessing import Preprocessing

FORMAT = "flower-edge checkpoint 1"

NORMALIZATION = {"zero": PIXEL_ZERO, "std": list(IMAGENET_STD)}
"""The normalisation of `PhotoNetwork`, recorded for programs that use the weights without this class."""


@dataclass(frozen=True)
class Checkpoint:
    """The content of ``best.pt``."""

    state_dict: dict[str, torch.Tensor]
    """Float32 weights under torchvision's names."""
    classes: tuple[str, ...]
    preprocessing: Preprocessing
    recipe: dict[str, Any]
    metrics: dict[str, Any]
    """The record of the epoch (as in ``log.jsonl``) and ``val_images``; accuracies are fractions from 0 to 1."""
    provenance: dict[str, Any]
    """Names and digests of the photographs and of the pretrained weights; device and precision."""
    versions: dict[str, str]
    architecture: Architecture = RESNET50
    trained_on: tuple[str, ...] = ()
    """`Split.fingerprints` of the photographs that the weights were trained on. Empty in files of version 0.3."""

    def network(self) -> PhotoNetwork:
        """Build the network in eval mode, float32, on the CPU.

        Raises:
            CheckpointError: the tensors are not those of the architecture with these classes, or not finite.
        """
        network = PhotoNetwork(len(self.classes), self.architecture)
        try:
            network.resnet.load_state_dict(self.state_dict)
        except (RuntimeError, TypeError, AttributeError):
            raise CheckpointError(
                f"the checkpoint's weights do not fit {self.architecture.name} with {len(self.classes)} classes; "
                "train it again"
            ) from None
        reason = unusable_tensor(self.state_dict)
        if reason is not None:
            raise CheckpointError(f"the checkpoint is damaged: {reason}; train it again")
        return network.eval()


def save_checkpoint(checkpoint: Checkpoint, path: Path) -> None:
    """Write ``checkpoint`` to ``path`` atomically.

    Raises:
        CheckpointError: the file cannot be written.
    """
    content = {
        "format": FORMAT,
        "architecture": checkpoint.architecture.recorded(),
        "state_dict": checkpoint.state_dict,
        "classes": list(checkpoint.classes),
        "preprocessing": checkpoint.preprocessing.to_dict(),
        "normalization": NORMALIZATION,
        "recipe": checkpoint.recipe,
        "metrics": checkpoint.metrics,
        "provenance": checkpoint.provenance,
        "versions": checkpoint.versions,
        "trained_on": list(checkpoint.trained_on),
    }
    save_tensors(content, path)


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint from an untrusted file.

    Raises:
        CheckpointError: missing, damaged, or not written by ``python -m finetune``.
    """
    try:
        content = load_untrusted(path)
    except WeightsError as error:
        raise CheckpointError(str(error)) from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise CheckpointError(f"{path}: not a checkpoint of this project; make one with: {module_command('finetune')}")
    if content.get("normalization") != NORMALIZATION:
        raise CheckpointError(f"{path}: its normalisation is not {NORMALIZATION}; train it again with this version")
    classes, state_dict = content.get("classes"), content.get("state_dict")
    if not (isinstance(classes, list) and classes and all(isinstance(name, str) for name in classes)):
        raise CheckpointError(f"{path}: holds no class names; train it again")
    if not (isinstance(state_dict, dict) and all(isinstance(t, torch.Tensor) for t in state_dict.values())):
        raise CheckpointError(f"{path}: holds no weights; train it again")
    trained_on = content.get("trained_on", [])
    if not (isinstance(trained_on, list) and all(isinstance(each, str) for each in trained_on)):
        raise CheckpointError(f"{path}: its section 'trained_on' is damaged; train it again")

    def section(key: str) -> dict[str, Any]:
        value = content.get(key)
        if not isinstance(value, dict) or not _is_plain(value):
            raise CheckpointError(f"{path}: its section {key!r} is damaged; train it again")
        return value

    return Checkpoint(
        state_dict=state_dict,
        classes=tuple(classes),
        preprocessing=Preprocessing.from_dict(section("preprocessing")),
        recipe=section("recipe"),
        metrics=section("metrics"),
        provenance=section("provenance"),
        versions=section("versions"),
        architecture=Architecture.from_untrusted(content.get("architecture"), path),
        trained_on=tuple(trained_on),
    )


def _is_plain(value: object) -> bool:
    """Return whether ``value`` is JSON, which the metadata of a model file requires."""
    try:
        json.dumps(value)
    except (TypeError, ValueError, RecursionError):
        return False
    return True
