"""A model soup: the mean of the weights of several runs of one recipe.

Runs that start from the same pretrained weights end in the same valley, and the mean of their weights is often better
than each, at the cost of one (Wortsman et al., "Model soups", ICML 2022).
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from finetune.checkpoint import Checkpoint, CheckpointError, load_checkpoint, sha256_of


def cook(paths: Sequence[Path]) -> Checkpoint:
    """The mean of checkpoints of one recipe that differ in their seed alone.

    Its metrics are empty: nothing has been measured of the mixture yet.

    Raises:
        CheckpointError: fewer than two, damaged, or of different recipes, data, weights or classes.
    """
    if len(paths) < 2:
        raise CheckpointError("a soup needs at least two checkpoints")
    checkpoints = [load_checkpoint(path) for path in paths]
    first = checkpoints[0]
    for path, other in zip(paths, checkpoints, strict=True):
        for name in ("classes", "preprocessing", "provenance"):
            if getattr(other, name) != getattr(first, name):
                raise CheckpointError(f"{path}: its {name} differs from that of {paths[0]}; a soup needs the same")
        if {**other.recipe, "seed": 0} != {**first.recipe, "seed": 0}:
            raise CheckpointError(f"{path}: its recipe differs from that of {paths[0]} in more than the seed")
        other.network()  # raises if its tensors are not a ResNet-50's
    states = [checkpoint.state_dict for checkpoint in checkpoints]
    mean = {
        name: torch.stack([state[name] for state in states]).mean(0) if tensor.is_floating_point() else tensor
        for name, tensor in first.state_dict.items()
    }
    seeds = [checkpoint.recipe.get("seed") for checkpoint in checkpoints]
    soup = {"seeds": seeds, "checkpoints_sha256": [sha256_of(path) for path in paths]}
    return replace(first, state_dict=mean, metrics={}, provenance={**first.provenance, "soup": soup})
