"""MixUp and CutMix: each example of a batch is combined with another one, and so are their labels.

The partner is the neighbour in the batch (0 with 1, 2 with 3, …), which is random because the batch is in random order.
So a batch can be divided over processes in pairs, and the result is the same as in one process.
"""

import numpy as np
import torch
from torch import nn

from finetune.recipe import Recipe
from finetune.run.random_seeds import derived_seed


def mix(
    inputs: torch.Tensor, labels: torch.Tensor, recipe: Recipe, classes: int, step: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mix one batch with MixUp or CutMix, or with neither. The random numbers depend only on the seed and the step.

    Args:
        inputs: uint8 images (batch, height, width, 3), or float outputs of a stage (batch, channels, height, width) or
            (batch, features).
        labels: int64, shape (batch,).
        recipe: says how to mix.
        classes: number of classes.
        step: number of the training step in the run.

    Returns:
        The inputs, which are float if MixUp changed them, and the targets: probabilities, shape (batch, classes).
    """
    targets = nn.functional.one_hot(labels, classes).float()
    random = np.random.default_rng(derived_seed(recipe.seed, "mixing", step))
    use_cutmix = recipe.cutmix > 0 and (not recipe.mixup or random.random() < 0.5)
    alpha = recipe.cutmix if use_cutmix else recipe.mixup
    if not alpha:
        return inputs, targets
    weight = float(random.beta(alpha, alpha))
    partner = torch.arange(len(labels), device=labels.device) ^ 1
    partner.clamp_(max=len(labels) - 1)
    # Images are channels last, and the outputs of stages are so in memory. This view of them is contiguous.
    is_feature_map = inputs.ndim == 4 and inputs.dtype != torch.uint8
    contiguous = inputs.permute(0, 2, 3, 1) if is_feature_map else inputs
    if use_cutmix and contiguous.ndim == 4:
        mixed, weight = _paste_rectangle(contiguous, partner, weight, random)
    else:
        contiguous = contiguous if contiguous.is_floating_point() else contiguous.float()
        mixed = torch.lerp(contiguous[partner], contiguous, weight)
    return mixed.permute(0, 3, 1, 2) if is_feature_map else mixed, torch.lerp(targets[partner], targets, weight)


def _paste_rectangle(
    images: torch.Tensor, partner: torch.Tensor, weight: float, random: np.random.Generator
) -> tuple[torch.Tensor, float]:
    """Paste a rectangle of the partner into each image of a batch (batch, height, width, channels).

    Returns:
        The new batch, and the fraction of its own area that is left in each image.
    """
    height, width = images.shape[1:3]
    side = (1 - weight) ** 0.5 / 2
    y, x = random.random() * height, random.random() * width
    top, bottom = max(0, round(y - side * height)), min(height, round(y + side * height))
    left, right = max(0, round(x - side * width)), min(width, round(x + side * width))
    pasted = images.clone()
    pasted[:, top:bottom, left:right] = images[partner, top:bottom, left:right]
    return pasted, 1 - (bottom - top) * (right - left) / (height * width)
