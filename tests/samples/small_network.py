"""A small ResNet for tests of training: the stages and feature sizes of the ResNet-50, with a seventh of its weights.

``python -m tests.samples.small_network`` is ``python -m finetune`` with this network.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from finetune.torchvision_import import models


def small_resnet(num_classes: int) -> models.ResNet:
    """Return a ResNet with one narrow block per stage instead of 3, 4, 6 and 3 wide ones."""
    return models.ResNet(models.resnet.Bottleneck, [1, 1, 1, 1], num_classes=num_classes, width_per_group=16)


@contextmanager
def small_network() -> Iterator[None]:
    """Build every `PhotoNetwork` from a small ResNet while the context lasts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(models, "resnet50", small_resnet)
        yield


if __name__ == "__main__":
    from finetune.command_line import main

    with small_network():
        sys.exit(main())
