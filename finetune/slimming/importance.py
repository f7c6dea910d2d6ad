"""Which channels and blocks of a network matter: the change of the loss, estimated, if one of them were always zero.

The estimate is the first-order Taylor expansion of Molchanov et al., "Importance Estimation for Neural Network
Pruning", CVPR 2019. With the scale g and the shift b of a channel's BatchNorm, the change of a batch's loss is
g dL/dg + b dL/db. Its square is summed over the batches.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from finetune.data.photo_batches import photo_batches
from finetune.data.split import Split
from finetune.network.architecture import blocks_of
from finetune.network.photo_network import PhotoNetwork
from runtime.photos.preprocessing import Preprocessing

BATCH = 16


@dataclass
class BlockImportance:
    """How much the parts of one bottleneck matter. Only comparisons have a meaning."""

    first: np.ndarray
    """Of the output channels of the first convolution: float64, shape (channels,)."""
    second: np.ndarray
    """Of those of the second convolution."""
    whole: float = 0.0
    """Of what the block adds to its input."""


def measure_importance(
    network: PhotoNetwork, split: Split, preprocessing: Preprocessing
) -> list[list[BlockImportance]]:
    """Return the importance of all blocks of a network: stage → block.

    Args:
        network: in eval mode. It has no gradients afterwards.
        split: the training photographs.
        preprocessing: of the photographs.
    """
    blocks = blocks_of(network.resnet)
    result = [
        [BlockImportance(np.zeros(block.conv1.out_channels), np.zeros(block.conv2.out_channels)) for block in stage]
        for stage in blocks
    ]
    device, done = network.std.device, 0
    with tqdm(total=len(split), desc="importance", unit="img", disable=None) as bar:
        for pixels in photo_batches(split.paths, preprocessing, BATCH):
            labels = torch.from_numpy(split.labels[done : done + len(pixels)]).long()
            network.zero_grad(set_to_none=True)
            logits = network(torch.from_numpy(pixels).to(device))
            nn.functional.cross_entropy(logits, labels.to(device)).backward()  # type: ignore[no-untyped-call]
            for stage, parts in zip(blocks, result, strict=True):
                for block, part in zip(stage, parts, strict=True):
                    part.first += _changes(block.bn1) ** 2
                    part.second += _changes(block.bn2) ** 2
                    part.whole += float(_changes(block.bn3).sum() ** 2)
            done += len(pixels)
            bar.update(len(pixels))
    network.zero_grad(set_to_none=True)
    return result


def _changes(norm: nn.Module) -> np.ndarray:
    """Return the estimated change of the loss for each channel: float64, shape (channels,)."""
    changes = [parameter * parameter.grad for parameter in norm.parameters() if parameter.grad is not None]
    return torch.stack(changes).sum(0).detach().double().cpu().numpy()
