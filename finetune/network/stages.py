"""The stages of the ResNet-50. This module does not import torch, so that recipes can be used without it."""

STAGES: tuple[tuple[str, ...], ...] = (
    ("conv1", "bn1"),
    ("layer1",),
    ("layer2",),
    ("layer3",),
    ("layer4",),
    ("fc",),
)
"""The parts of torchvision's ``resnet50``, in the order from image to logits. ``--freeze N`` freezes the first N."""

HEAD = len(STAGES) - 1
"""Index of the last stage, the classifier."""

STRIDES = (1, 4, 4, 8, 16, 32)
"""For each stage: side of the image divided by the side of the stage's input."""
