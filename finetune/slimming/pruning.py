"""Which channels and blocks stay, and the network that has only these."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from finetune.network.architecture import Architecture, BlockWidths, blocks_of
from finetune.network.photo_network import PhotoNetwork
from finetune.slimming.budget import LAYER3, Budget, count_macs, count_weights
from finetune.slimming.importance import BlockImportance
from runtime.errors import FlowerError

SLIM = "resnet50-slim"
STEP = 16
"""Channels are removed in groups of this size: INT8 kernels compute 16 channels at once (onnxruntime's MLAS)."""


@dataclass
class KeptBlock:
    """The channels of one block that stay: indices in ascending order."""

    index: int
    """Of the block in its stage."""
    first: np.ndarray
    second: np.ndarray


def choose_channels(
    importance: Sequence[Sequence[BlockImportance]], budget: Budget, *, full_macs: int, size: int, first_stage: int
) -> list[list[KeptBlock]]:
    """Choose the blocks and channels that stay, so that the network is within the budget.

    Groups of `STEP` channels are removed one after the other. Each time it is the group that matters least for what it
    saves: the sum of its shares of the work and of the weights that are still too many. This is a greedy search:
    another set of the same size may be better.

    Args:
        importance: of all blocks.
        budget: the limit.
        full_macs: of the full network at its own size of photos.
        size: side of the photos, pixels.
        first_stage: the first stage that may lose channels; 0 is ``layer1``.

    Raises:
        FlowerError: the budget cannot be met.
    """
    kept = [
        [
            KeptBlock(index, np.arange(len(block.first)), np.arange(len(block.second)))
            for index, block in enumerate(blocks)
        ]
        for blocks in importance
    ]
    # The first block of a stage changes the number of channels, so it stays.
    by_importance = sorted(kept[LAYER3][1:], key=lambda block: importance[LAYER3][block.index].whole)
    for block in by_importance[: budget.drop_blocks]:
        kept[LAYER3].remove(block)
    limits = budget.macs * full_macs, budget.weights * count_weights(widths_of(importance))
    while any(excess := [max(0.0, cost - limit) for cost, limit in zip(_costs(kept, size), limits, strict=True)]):
        candidates = [*_removable_groups(kept, importance, first_stage)]
        if not candidates:
            macs, weights = _costs(kept, size)
            raise FlowerError(
                f"the smallest network has {macs / full_macs:.2f} of the full network's work and "
                f"{weights / count_weights(widths_of(importance)):.2f} of its weights; give larger --macs and "
                "--kept-weights, or a smaller --test-size"
            )
        costs, prices = _costs(kept, size), []
        for block, layer, channels, matters in candidates:
            all_channels = getattr(block, layer)
            setattr(block, layer, channels)
            saved = [before - after for before, after in zip(costs, _costs(kept, size), strict=True)]
            prices.append(matters / sum(part / most for part, most in zip(saved, excess, strict=True) if most))
            setattr(block, layer, all_channels)
        block, layer, channels, _ = candidates[int(np.argmin(prices))]
        setattr(block, layer, channels)
    return kept


def prune(network: PhotoNetwork, kept: Sequence[Sequence[KeptBlock]]) -> PhotoNetwork:
    """Return a network that has only the blocks and channels that stay, with their weights."""
    slim = PhotoNetwork(network.resnet.fc.out_features, Architecture(SLIM, widths_of(kept)))
    for name in ("conv1", "bn1", "fc"):
        getattr(slim.resnet, name).load_state_dict(getattr(network.resnet, name).state_dict())
    for full_stage, slim_stage, blocks in zip(blocks_of(network.resnet), blocks_of(slim.resnet), kept, strict=True):
        for target, block in zip(slim_stage, blocks, strict=True):
            source = full_stage[block.index]
            _copy(target.conv1, target.bn1, source.conv1, source.bn1, block.first, None)
            _copy(target.conv2, target.bn2, source.conv2, source.bn2, block.second, block.first)
            _copy(target.conv3, target.bn3, source.conv3, source.bn3, None, block.second)
            if source.downsample is not None:
                target.downsample.load_state_dict(source.downsample.state_dict())
    return slim.eval()


def widths_of(stages: Sequence[Sequence[BlockImportance | KeptBlock]]) -> tuple[tuple[BlockWidths, ...], ...]:
    """Return the widths of all blocks, see `Architecture.widths`."""
    return tuple(tuple((len(block.first), len(block.second)) for block in stage) for stage in stages)


def _costs(kept: Sequence[Sequence[KeptBlock]], size: int) -> tuple[int, int]:
    """Return the multiply-accumulates for one photo, and the weights."""
    return count_macs(widths_of(kept), size), count_weights(widths_of(kept))


def _removable_groups(
    kept: Sequence[Sequence[KeptBlock]], importance: Sequence[Sequence[BlockImportance]], first_stage: int
) -> Iterator[tuple[KeptBlock, str, np.ndarray, float]]:
    """Yield for each layer the block, its name, the channels without the least important group, and its importance."""
    for blocks, scores in list(zip(kept, importance, strict=True))[first_stage:]:
        for block in blocks:
            for layer in ("first", "second"):
                channels, score = getattr(block, layer), getattr(scores[block.index], layer)
                count = len(channels) % STEP or STEP
                if len(channels) > count:
                    order = channels[np.argsort(score[channels], kind="stable")]
                    yield block, layer, np.sort(order[count:]), float(score[order[:count]].sum())


@torch.no_grad()
def _copy(
    convolution: nn.Conv2d,
    norm: nn.BatchNorm2d,
    full_convolution: nn.Conv2d,
    full_norm: nn.BatchNorm2d,
    outputs: np.ndarray | None,
    inputs: np.ndarray | None,
) -> None:
    """Copy the weights of the given output and input channels; None for all."""
    rows = slice(None) if outputs is None else torch.from_numpy(outputs)
    weight = full_convolution.weight[rows]
    convolution.weight.copy_(weight if inputs is None else weight[:, torch.from_numpy(inputs)])
    for name in ("weight", "bias", "running_mean", "running_var"):
        getattr(norm, name).copy_(getattr(full_norm, name)[rows])
