"""The network: a ResNet-50 with byte input, and what is trained in it.

ResNet: He et al., "Deep Residual Learning for Image Recognition", CVPR 2016; version 1.5, as in torchvision (the stride
of a down-sampling block is in its 3 × 3 convolution).
"""

from collections.abc import Iterator, Sequence

import torch
from torch import nn

from finetune.network.architecture import RESNET50, Architecture
from finetune.network.stages import HEAD, STAGES

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
PIXEL_ZERO = 115
"""The byte that becomes 0 after normalisation: about the mean of ImageNet's pixels, 114.5."""
FEATURES = 2048
"""Length of the feature vector before the head."""


class PhotoNetwork(nn.Module):
    """A ResNet-50 whose input is the output of `runtime.Preprocessing`: bytes.

    Training, validation and the exported graph all use this module, so all three normalise in the same way. The
    normalisation is ``(byte - 115) / std``: one zero point for all three channels, where ImageNet's recipe has one mean
    per channel. With it, the bytes of a photo are a valid 8-bit quantization (scale 1, zero point 115, padding equal to
    the zero point), so an INT8 network takes them without float arithmetic. `finetune.network.pretrained` moves the
    difference of the means into the first BatchNorm; this is exact except for the outermost pixels.
    """

    std: torch.Tensor

    def __init__(self, classes: int, architecture: Architecture = RESNET50) -> None:
        super().__init__()
        self.architecture = architecture
        self.resnet = architecture.build(classes)
        self.register_buffer("std", 255 * torch.tensor(IMAGENET_STD).view(3, 1, 1), persistent=False)

    def forward(self, image: torch.Tensor, first_stage: int = 0) -> torch.Tensor:
        """Compute logits.

        Args:
            image: uint8 or float from 0 to 255, shape (batch, height, width, 3), RGB. With ``first_stage`` above 0,
                the input of that stage instead, as `run_stages` returns it.
            first_stage: the first stage to run.

        Returns:
            The logits: float, shape (batch, classes).
        """
        return self.run_stages(image, first_stage, HEAD + 1)

    def run_stages(self, image: torch.Tensor, first: int, end: int) -> torch.Tensor:
        """Run the stages from ``first`` up to, but without, ``end``, and return the input of the stage ``end``.

        Returns:
            Float, channels first: (batch, 64, side / 4, side / 4) after the stem, (batch, 256, side / 4, side / 4)
            after ``layer1``, and so on; (batch, 2048), the features, before the head.
        """
        if first == 0:
            image = (image.permute(0, 3, 1, 2).to(self.std.dtype) - PIXEL_ZERO) / self.std
        for stage in range(first, end):
            image = self._run_stage(image, stage)
        return image

    def _run_stage(self, image: torch.Tensor, stage: int) -> torch.Tensor:
        resnet = self.resnet
        if stage == 0:
            output: torch.Tensor = resnet.maxpool(resnet.relu(resnet.bn1(resnet.conv1(image))))
        else:
            output = getattr(resnet, STAGES[stage][0])(image)
        return torch.flatten(resnet.avgpool(output), 1) if stage == HEAD - 1 else output


def stage_modules(network: PhotoNetwork, stage: int) -> Iterator[nn.Module]:
    """Yield the modules of one stage."""
    for name in STAGES[stage]:
        yield getattr(network.resnet, name)


def set_trainable(network: PhotoNetwork, first_stage: int, *, train_statistics: bool = True) -> None:
    """Make the stages from ``first_stage`` up trainable and freeze those below, their BatchNorm in eval mode.

    A BatchNorm of a frozen stage that stays in train mode would still update its statistics, so the stage would change.

    Args:
        network: is changed in place.
        first_stage: index into `STAGES`.
        train_statistics: False puts the BatchNorm of the trained stages in eval mode, too. Their scales and shifts are
            trained in both cases.
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
    """Return the optimiser's parameter groups, with one learning rate for each stage.

    Args:
        network: its parameters.
        lr: learning rate of ``layer4``. Each lower stage has ``stage_decay`` times the rate of the stage above it
            (discriminative fine-tuning: Howard and Ruder, "Universal Language Model Fine-tuning", ACL 2018).
        head_lr: learning rate of the head.
        stage_decay: factor from one stage to the next lower one.
        weight_decay: of the weights of convolutions and of the head.
        decay_all: whether biases and BatchNorm have weight decay, too.
        freeze: number of frozen stages, which get no group.
    """
    groups: list[dict[str, object]] = []
    for stage in range(freeze, len(STAGES)):
        rate = head_lr if stage == HEAD else lr * stage_decay ** (HEAD - 1 - stage)
        parameters = [p for module in stage_modules(network, stage) for p in module.parameters()]
        for members, decay in ((_matrices(parameters), weight_decay), (_vectors(parameters), weight_decay * decay_all)):
            groups.append({"params": members, "lr": rate, "base_lr": rate, "weight_decay": decay})
    return groups


def _matrices(parameters: Sequence[nn.Parameter]) -> list[nn.Parameter]:
    return [parameter for parameter in parameters if parameter.ndim > 1]


def _vectors(parameters: Sequence[nn.Parameter]) -> list[nn.Parameter]:
    return [parameter for parameter in parameters if parameter.ndim <= 1]
