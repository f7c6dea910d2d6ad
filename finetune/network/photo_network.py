"""The network: a ResNet-50 that takes bytes, and its stages.

ResNet: He et al., "Deep Residual Learning for Image Recognition", CVPR 2016; v1.5 as in torchvision (the stride of a
down-sampling block is in its 3 × 3 convolution).
"""

from collections.abc import Iterator, Sequence

import torch
from torch import nn

from finetune.network.torchvision_import import models

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
PIXEL_ZERO = 115
"""The byte that the network sees as 0: about the mean of ImageNet's pixels, 114.5."""
FEATURES = 2048

STAGES: tuple[tuple[str, ...], ...] = (
    ("conv1", "bn1"),
    ("layer1",),
    ("layer2",),
    ("layer3",),
    ("layer4",),
    ("fc",),
)
"""The parts of torchvision's ``resnet50``, from the photo to the answer. ``--freeze N`` freezes the first N."""

HEAD = len(STAGES) - 1
STRIDES = (1, 4, 4, 8, 16, 32)
"""By how much the sides of the image have shrunk before each stage."""


class PhotoNetwork(nn.Module):
    """A ResNet-50 whose input is what `runtime.Preprocessing` makes: bytes.

    Training, validation and the exported graph all go through this module, so the normalisation cannot differ
    between them. It is ``(byte - 115) / std``: one zero for all three channels where ImageNet's recipe has a mean for
    each. That makes the bytes of a photo a valid 8-bit quantization as they are (scale 1, zero point 115, padding
    equal to the zero), so that an INT8 network needs no float arithmetic to take them in. `finetune.network.pretrained` moves the
    difference into the first BatchNorm, which is exact but for the outermost pixels.
    """

    std: torch.Tensor

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.resnet = models.resnet50(num_classes=classes)
        self.register_buffer("std", 255 * torch.tensor(IMAGENET_STD).view(3, 1, 1), persistent=False)

    def forward(self, image: torch.Tensor, first_stage: int = 0) -> torch.Tensor:
        """Bytes (uint8 or float 0 to 255, shape (batch, height, width, 3), RGB) to logits (batch, classes).

        With ``first_stage`` above 0, ``image`` is instead what `between` gave for the stages below it.
        """
        return self.between(image, first_stage, HEAD + 1)

    def between(self, image: torch.Tensor, first: int, last: int) -> torch.Tensor:
        """Run the stages ``first`` to ``last - 1`` and return what the stage ``last`` would see.

        That is float, channels first: (batch, 64, side / 4, side / 4) after the stem, (batch, 256, …) after ``layer1``,
        and (batch, 2048), the features, before the head.
        """
        if first == 0:
            image = (image.permute(0, 3, 1, 2).to(self.std.dtype) - PIXEL_ZERO) / self.std
        for stage in range(first, last):
            image = self._stage(image, stage)
        return image

    def _stage(self, image: torch.Tensor, stage: int) -> torch.Tensor:
        resnet = self.resnet
        if stage == 0:
            return resnet.maxpool(resnet.relu(resnet.bn1(resnet.conv1(image))))
        if stage == HEAD:
            return resnet.fc(image)
        image = getattr(resnet, STAGES[stage][0])(image)
        return torch.flatten(resnet.avgpool(image), 1) if stage == HEAD - 1 else image


def stage_modules(network: PhotoNetwork, stage: int) -> Iterator[nn.Module]:
    """The modules of one stage."""
    for name in STAGES[stage]:
        yield getattr(network.resnet, name)


def set_trainable(network: PhotoNetwork, first_stage: int, *, train_statistics: bool = True) -> None:
    """Train the stages from ``first_stage`` up; freeze those below, their BatchNorm in eval mode.

    A frozen BatchNorm left in train mode would keep moving its statistics, and the "frozen" features with them.

    Args:
        train_statistics: False leaves the BatchNorm of the trained stages in eval mode, too; their scales and shifts
            are trained all the same.
    """
    network.train()
    for stage in range(len(STAGES)):
        for module in stage_modules(network, stage):
            module.requires_grad_(stage >= first_stage)
            module.train(stage >= first_stage)
            if not train_statistics:
                for part in module.modules():
                    if isinstance(part, nn.BatchNorm2d):
                        part.eval()


def parameter_groups(
    network: PhotoNetwork,
    *,
    lr: float,
    head_lr: float,
    stage_decay: float,
    weight_decay: float,
    decay_all: bool,
    freeze: int,
) -> list[dict[str, object]]:
    """Optimiser groups: a rate for each stage; weight decay on biases and BatchNorm only with ``decay_all``.

    The rate of ``layer4`` is ``lr``; each stage further down has ``stage_decay`` times that of the one above
    (discriminative fine-tuning: Howard and Ruder, "Universal Language Model Fine-tuning", ACL 2018).
    """
    groups: list[dict[str, object]] = []
    for stage in range(freeze, len(STAGES)):
        rate = head_lr if stage == HEAD else lr * stage_decay ** (HEAD - 1 - stage)
        parameters = [p for module in stage_modules(network, stage) for p in module.parameters()]
        for chosen, decay in ((_matrices(parameters), weight_decay), (_vectors(parameters), weight_decay * decay_all)):
            groups.append({"params": chosen, "lr": rate, "base_lr": rate, "weight_decay": decay})
    return groups


def _matrices(parameters: Sequence[nn.Parameter]) -> list[nn.Parameter]:
    return [parameter for parameter in parameters if parameter.ndim > 1]


def _vectors(parameters: Sequence[nn.Parameter]) -> list[nn.Parameter]:
    return [parameter for parameter in parameters if parameter.ndim <= 1]
