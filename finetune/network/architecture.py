"""The architecture of a network: torchvision's ResNet-50, or one with fewer blocks and narrower ones.

Narrower are only the two inner convolutions of a bottleneck. The sums of the blocks keep their channels, so the blocks
of one stage are independent of each other.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

from torch import nn

from finetune.network.tensor_files import CheckpointError
from finetune.torchvision_import import models

MAX_BLOCKS = 64
MAX_WIDTH = 4096
"""Limits of untrusted checkpoints."""

BlockWidths = tuple[int, int]
"""Output channels of the first and the second convolution of a bottleneck."""


@dataclass(frozen=True)
class Architecture:
    """What a network is built from."""

    name: str = "resnet50"
    """Part of the names of model files."""
    widths: tuple[tuple[BlockWidths, ...], ...] = ()
    """Stage (``layer1`` to ``layer4``) → block → its widths. Empty: those of the ResNet-50."""

    def build(self, classes: int) -> models.ResNet:
        """Return the network with random weights."""
        if not self.widths:
            return models.resnet50(num_classes=classes)
        blocks = [len(stage) for stage in self.widths]
        resnet = models.ResNet(models.resnet.Bottleneck, blocks, num_classes=classes)
        for stage, widths in zip(blocks_of(resnet), self.widths, strict=True):
            for block, (first, second) in zip(stage, widths, strict=True):
                old = block.conv1, block.conv2, block.conv3
                block.conv1 = _convolution(old[0], old[0].in_channels, first)
                block.conv2 = _convolution(old[1], first, second)
                block.conv3 = _convolution(old[2], second, old[2].out_channels)
                block.bn1, block.bn2 = nn.BatchNorm2d(first), nn.BatchNorm2d(second)
        return resnet

    def recorded(self) -> Any:
        """Return plain values for a checkpoint: the name alone for the ResNet-50."""
        if not self.widths:
            return self.name
        return {"name": self.name, "widths": [[list(block) for block in stage] for stage in self.widths]}

    @classmethod
    def from_untrusted(cls, value: object, path: object) -> "Architecture":
        """Return the architecture that a checkpoint records; the inverse of `recorded`.

        Args:
            value: from the file.
            path: of the file, for the message.

        Raises:
            CheckpointError: ``value`` is no architecture that this version can build.
        """
        if value == RESNET50.name:
            return RESNET50
        if (
            not isinstance(value, dict)
            or not isinstance(value.get("name"), str)
            or not _are_widths(value.get("widths"))
        ):
            raise CheckpointError(f"{path}: its architecture {str(value)[:80]!r} is unknown; train it again")
        widths = tuple(tuple((block[0], block[1]) for block in stage) for stage in value["widths"])
        return cls(value["name"][:40], widths)


RESNET50 = Architecture()


def blocks_of(resnet: models.ResNet) -> list[list[models.resnet.Bottleneck]]:
    """Return the bottlenecks of a ResNet: stage (``layer1`` to ``layer4``) → block."""
    stages = resnet.layer1, resnet.layer2, resnet.layer3, resnet.layer4
    return [[cast(models.resnet.Bottleneck, block) for block in stage] for stage in stages]


def convolutions_with_norms(resnet: models.ResNet) -> Iterator[tuple[str, nn.Conv2d, nn.BatchNorm2d]]:
    """Yield each convolution of a ResNet: its name, the convolution, and the BatchNorm after it."""
    yield "conv1", resnet.conv1, resnet.bn1
    for stage, blocks in enumerate(blocks_of(resnet), start=1):
        for number, block in enumerate(blocks):
            name = f"layer{stage}.{number}"
            for part in ("1", "2", "3"):
                yield f"{name}.conv{part}", getattr(block, f"conv{part}"), getattr(block, f"bn{part}")
            if block.downsample is not None:
                convolution, norm = block.downsample
                yield f"{name}.downsample.0", convolution, norm


def _convolution(like: nn.Conv2d, inputs: int, outputs: int) -> nn.Conv2d:
    """Return a convolution with the size, stride and padding of another one, and other channels."""
    (side, _), (stride, _) = like.kernel_size, like.stride
    return nn.Conv2d(inputs, outputs, side, stride, side // 2, bias=False)


def _are_widths(value: object) -> bool:
    def is_width(number: object) -> bool:
        return type(number) is int and 1 <= number <= MAX_WIDTH

    def is_sequence(item: object, least: int, most: int) -> bool:
        return isinstance(item, Sequence) and not isinstance(item, str) and least <= len(item) <= most

    return (
        is_sequence(value, 4, 4)
        and all(is_sequence(stage, 1, MAX_BLOCKS) for stage in value)  # type: ignore[attr-defined]
        and all(is_sequence(block, 2, 2) and all(map(is_width, block)) for stage in value for block in stage)  # type: ignore[attr-defined]
    )
