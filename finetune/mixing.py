"""MixUp and CutMix: each example of a batch gets a part of another's image and of its label.

The partner is the neighbour in the batch (0 with 1, 2 with 3, …; the batch is in random order), so that a batch can be
shared out over processes in pairs and give the same result as in one.
"""

import numpy as np
import torch
from torch import nn

from finetune.photos import stream
from finetune.recipe import Recipe


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
    random = np.random.default_rng(stream(recipe.seed, 1, step))
    cut = recipe.cutmix > 0 and (not recipe.mixup or random.random() < 0.5)
    alpha = recipe.cutmix if cut else recipe.mixup
    if not alpha:
        return inputs, targets
    share = float(random.beta(alpha, alpha))
    partner = torch.arange(len(labels), device=labels.device) ^ 1
    partner.clamp_(max=len(labels) - 1)
    layout = torch.channels_last if inputs.ndim == 4 and inputs.dtype != torch.uint8 else torch.preserve_format
    if cut and inputs.ndim == 4:
        inputs, share = _pasted(inputs, partner, share, random)
    else:
        mixed = inputs.float()
        inputs = torch.lerp(mixed[partner], mixed, share)
    return inputs.contiguous(memory_format=layout), torch.lerp(targets[partner], targets, share)


def _pasted(
    inputs: torch.Tensor, partner: torch.Tensor, share: float, random: np.random.Generator
) -> tuple[torch.Tensor, float]:
    """Paste a rectangle of the partner's image over each image; returns also the share that is left of the latter."""
    channels_last = inputs.dtype == torch.uint8
    height, width = inputs.shape[1:3] if channels_last else inputs.shape[2:4]
    side = (1 - share) ** 0.5 / 2
    y, x = random.random() * height, random.random() * width
    top, bottom = max(0, round(y - side * height)), min(height, round(y + side * height))
    left, right = max(0, round(x - side * width)), min(width, round(x + side * width))
    where = (slice(None), *((slice(None),) * (not channels_last)), slice(top, bottom), slice(left, right))
    pasted = inputs.clone()
    pasted[where] = inputs[partner][where]
    return pasted, 1 - (bottom - top) * (right - left) / (height * width)
