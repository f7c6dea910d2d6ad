"""MixUp and CutMix: each example of a batch gets a part of another's image and of its label.

The partner is the neighbour in the batch (0 with 1, 2 with 3, …; the batch is in random order), so that a batch can be
shared out over processes in pairs and give the same result as in one.
"""

import numpy as np
import torch
from torch import nn

from finetune.recipe import Recipe
from finetune.run.random_seeds import derived_seed


def mix(
    inputs: torch.Tensor, labels: torch.Tensor, recipe: Recipe, classes: int, step: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mix one batch as ``recipe`` says; what is drawn depends on the seed and the step alone.

    Args:
        inputs: uint8 images (batch, height, width, 3), or float outputs of a stage (batch, channels, height, width) or
            (batch, features).
        labels: int64, shape (batch,).

    Returns:
        The inputs, float where they were mixed, and the targets: probabilities, shape (batch, classes).
    """
    targets = nn.functional.one_hot(labels, classes).float()
    random = np.random.default_rng(derived_seed(recipe.seed, 1, step))
    cut = recipe.cutmix > 0 and (not recipe.mixup or random.random() < 0.5)
    alpha = recipe.cutmix if cut else recipe.mixup
    if not alpha:
        return inputs, targets
    share = float(random.beta(alpha, alpha))
    partner = torch.arange(len(labels), device=labels.device) ^ 1
    partner.clamp_(max=len(labels) - 1)
    # Work on what is contiguous in memory: images are channels last, and what stages give is so beneath its shape.
    is_map = inputs.ndim == 4 and inputs.dtype != torch.uint8
    parts = inputs.permute(0, 2, 3, 1) if is_map else inputs
    if cut and parts.ndim == 4:
        mixed, share = _pasted(parts, partner, share, random)
    else:
        parts = parts if parts.is_floating_point() else parts.float()
        mixed = torch.lerp(parts[partner], parts, share)
    return mixed.permute(0, 3, 1, 2) if is_map else mixed, torch.lerp(targets[partner], targets, share)


def _pasted(
    parts: torch.Tensor, partner: torch.Tensor, share: float, random: np.random.Generator
) -> tuple[torch.Tensor, float]:
    """Paste a rectangle of the partner over each of ``parts`` (batch, height, width, channels).

    Returns also the share of its own area that is left of each.
    """
    height, width = parts.shape[1:3]
    side = (1 - share) ** 0.5 / 2
    y, x = random.random() * height, random.random() * width
    top, bottom = max(0, round(y - side * height)), min(height, round(y + side * height))
    left, right = max(0, round(x - side * width)), min(width, round(x + side * width))
    pasted = parts.clone()
    pasted[:, top:bottom, left:right] = parts[partner, top:bottom, left:right]
    return pasted, 1 - (bottom - top) * (right - left) / (height * width)
