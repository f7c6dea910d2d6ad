"""What the forms are made from: the network of a checkpoint, and photographs for the activation ranges."""

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from finetune.data.dataset import read_split
from finetune.data.photo_batches import photo_batches
from finetune.network.architecture import convolutions_with_norms
from finetune.network.checkpoint import load_checkpoint
from finetune.network.photo_network import PIXEL_ZERO

CALIBRATION_SPLIT = "val"


class Source:
    """A checkpoint and calibration photographs.

    Args:
        checkpoint: written by ``python -m finetune`` or ``python -m export restore``.
        data: the data set.
        photographs: how many validation photographs, at equal distances in the split.

    Raises:
        FlowerError: the checkpoint or the data set cannot be read.
    """

    def __init__(self, checkpoint: Path, data: Path, photographs: int) -> None:
        self._checkpoint = load_checkpoint(checkpoint)
        self._paths = read_split(data, CALIBRATION_SPLIT).head(photographs).paths
        self.size = self._checkpoint.preprocessing.size
        """Side of a photograph in pixels."""

    def core(self) -> nn.Module:
        """Return the network in eval mode: float32 pixels (1, 3, size, size), byte minus `PIXEL_ZERO`, to logits.

        Every BatchNorm is part of the convolution before it, as in the model files of this project. So every engine
        starts from the same numbers.
        """
        network = self._checkpoint.network()
        resnet = network.resnet
        with torch.no_grad():
            resnet.conv1.weight /= network.std
        for name, convolution, norm in convolutions_with_norms(resnet):
            assert norm.running_mean is not None  # noqa: S101 (for mypy: only a norm without statistics has none)
            assert norm.running_var is not None  # noqa: S101
            convolution.weight, convolution.bias = fuse_conv_bn_weights(
                convolution.weight, None, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
            )
            resnet.set_submodule(_name_of_norm(name), nn.Identity())
        core: nn.Module = resnet.eval()
        return core.requires_grad_(False)

    def example(self) -> torch.Tensor:
        """Return an input of the core: zeros, float32, shape (1, 3, size, size)."""
        return torch.zeros((1, 3, self.size, self.size))

    def pixels(self) -> Iterator[torch.Tensor]:
        """Yield the calibration photographs as inputs of the core: float32, shape (1, 3, size, size)."""
        for images in photo_batches(self._paths, self._checkpoint.preprocessing, 1):
            yield float_pixels(torch.from_numpy(images))


def float_pixels(images: torch.Tensor) -> torch.Tensor:
    """Return the input of the core.

    Args:
        images: uint8, shape (batch, size, size, 3), RGB.

    Returns:
        float32, shape (batch, 3, size, size), contiguous.
    """
    return (images.permute(0, 3, 1, 2).float() - PIXEL_ZERO).contiguous()


def _name_of_norm(convolution: str) -> str:
    """Return the name of the BatchNorm after a convolution of torchvision's ResNet."""
    owner, dot, last = convolution.rpartition(".")
    return f"{owner}{dot}{'1' if last == '0' else last.replace('conv', 'bn')}"
