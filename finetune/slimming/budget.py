"""What a network may cost: multiply-accumulates (MACs) of one photo and weights, as shares of the full network's."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from runtime.errors import FlowerError

EXPANSION = 4
"""Output channels of a bottleneck, divided by the channels that its stage is named for (64, 128, 256, 512)."""
STEM_CHANNELS = 64
LAYER3 = 2
"""Index of the stage with the most blocks."""

Widths = Sequence[Sequence[tuple[int, int]]]
"""Stage → block → output channels of its first and second convolution."""


@dataclass(frozen=True)
class Budget:
    """What a slim network may cost. The three levers share it: what size and blocks do not save, the widths do."""

    macs: float = 0.36
    """Work for one photo, as a share of the full network's at its own size of photos."""
    drop_blocks: int = 0
    """Blocks that ``layer3`` loses, those that change the loss least."""
    weights: float = 1.0
    """Weights of the convolutions, as a share of the full network's. They determine the size of the model file."""

    def __post_init__(self) -> None:
        if not 0 < self.macs < 1:
            raise FlowerError("--macs must be above 0 and below 1, the share of the full network's work")
        if not 0 < self.weights <= 1:
            raise FlowerError("--kept-weights must be above 0 and at most 1, the share of the full network's weights")
        if not 0 <= self.drop_blocks <= 5:
            raise FlowerError("--drop-blocks must be 0 to 5: layer3 has six blocks, and keeps the first")

    def to_dict(self) -> dict[str, Any]:
        """Return the values by name."""
        return asdict(self)


def count_macs(widths: Widths, size: int) -> int:
    """Return the multiply-accumulates of all convolutions of a bottleneck ResNet for one photo.

    Args:
        widths: of all blocks.
        size: side of the photo, pixels.
    """
    side = _half(size)
    total = 3 * 49 * STEM_CHANNELS * side**2
    side, inputs = _half(side), STEM_CHANNELS
    for stage, blocks in enumerate(widths):
        outputs = EXPANSION * STEM_CHANNELS * 2**stage
        for number, (first, second) in enumerate(blocks):
            side_before, side = side, _half(side) if stage and not number else side
            total += side_before**2 * inputs * first + side**2 * (9 * first * second + second * outputs)
            total += 0 if number else side**2 * inputs * outputs  # the convolution beside the first block
            inputs = outputs
    return total


def count_weights(widths: Widths) -> int:
    """Return the number of weights of all convolutions of a bottleneck ResNet."""
    total, inputs = 3 * 49 * STEM_CHANNELS, STEM_CHANNELS
    for stage, blocks in enumerate(widths):
        outputs = EXPANSION * STEM_CHANNELS * 2**stage
        for number, (first, second) in enumerate(blocks):
            total += inputs * first + 9 * first * second + second * outputs
            total += 0 if number else inputs * outputs  # the convolution beside the first block
            inputs = outputs
    return total


def _half(side: int) -> int:
    return (side + 1) // 2
