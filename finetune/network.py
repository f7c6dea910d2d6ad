"""The network: a ResNet-50 that takes bytes, its stages, and the weights it starts from.

ResNet: He et al., "Deep Residual Learning for Image Recognition", CVPR 2016; v1.5 as in torchvision (the stride of a
down-sampling block is in its 3 × 3 convolution).
"""

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import nn

from finetune.vision import models
from runtime.errors import FlowerError

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
MAX_WEIGHTS_BYTES = 1024**3


class WeightsError(FlowerError):
    """Pretrained weights that cannot be had or do not fit."""


class PhotoNetwork(nn.Module):
    """A ResNet-50 whose input is what `runtime.Preprocessing` makes: bytes.

    Training, validation and the exported graph all go through this module, so the normalisation cannot differ
    between them. It is ``(byte - 115) / std``: one zero for all three channels where ImageNet's recipe has a mean for
    each. That makes the bytes of a photo a valid 8-bit quantization as they are (scale 1, zero point 115, padding
    equal to the zero), so that an INT8 network needs no float arithmetic to take them in. `load_pretrained` moves the
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


def load_pretrained(network: PhotoNetwork, weights: Path | None) -> str:
    """Load ImageNet weights, which expect ImageNet's mean and standard deviation, into all but the head.

    Args:
        network: is changed in place.
        weights: a file with a torchvision ``resnet50`` state dict, or None for torchvision's own (downloaded once).

    Raises:
        WeightsError: the file is missing or holds something else, or the download failed.
    """
    if weights is None:
        choice = models.ResNet50_Weights.IMAGENET1K_V2
        try:
            state = choice.get_state_dict(progress=True, check_hash=True, weights_only=True)
        except Exception as error:
            raise WeightsError(
                f"torchvision's weights cannot be downloaded ({error}); give a file with --weights FILE"
            ) from None
        source = f"torchvision {choice}"
    else:
        state = read_state_dict(weights)
        source = weights.name
    state = {name: tensor for name, tensor in state.items() if not name.startswith("fc.")}
    try:
        missing, unexpected = network.resnet.load_state_dict(state, strict=False)
    except (RuntimeError, TypeError, AttributeError):
        raise WeightsError(
            f"{source}: the shapes are not a ResNet-50's; give a torchvision resnet50 state dict"
        ) from None
    missing = [name for name in missing if not name.startswith("fc.")]
    if missing or unexpected:
        odd = (missing + unexpected)[0]
        raise WeightsError(
            f"{source}: not a torchvision resnet50 state dict ({len(missing)} tensors missing, "
            f"{len(unexpected)} unknown, for example {odd!r})"
        )
    _move_means_into_batchnorm(network)
    return source


@torch.no_grad()
def _move_means_into_batchnorm(network: PhotoNetwork) -> None:
    """Make weights that expect ImageNet's three means fit `PIXEL_ZERO`.

    With another zero the input of ``conv1`` moves by a constant a channel, and its output by a constant a filter;
    subtracting that from BatchNorm's running mean undoes it.
    """
    shift = (255 * torch.tensor(IMAGENET_MEAN) - PIXEL_ZERO) / (255 * torch.tensor(IMAGENET_STD))
    weight = network.resnet.conv1.weight
    network.resnet.bn1.running_mean += (weight.sum(dim=(2, 3)) * shift.to(weight)).sum(dim=1)


def read_state_dict(path: Path) -> dict[str, torch.Tensor]:
    """A state dict from an untrusted file: tensors and plain containers only, never code.

    Raises:
        WeightsError: missing, too large, or not a state dict.
    """
    state = load_untrusted(path)
    if isinstance(state, dict) and isinstance(state.get("state_dict"), dict):
        state = state["state_dict"]
    if not isinstance(state, dict) or not all(isinstance(tensor, torch.Tensor) for tensor in state.values()):
        raise WeightsError(f"{path}: holds no state dict; save one with torch.save(model.state_dict(), FILE)")
    return state


def load_untrusted(path: Path) -> object:
    """`torch.load` with ``weights_only=True``, on the CPU, with a limit, and errors in words."""
    if not path.is_file():
        raise WeightsError(f"{path}: no such file")
    if path.stat().st_size > MAX_WEIGHTS_BYTES:
        raise WeightsError(f"{path}: larger than {MAX_WEIGHTS_BYTES // 1024**2} MB; not a ResNet-50's weights")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    # The unpickler raises whatever a damaged or forged file leads to.
    except Exception:
        raise WeightsError(
            f"{path}: damaged, or not a file of tensors (nothing else is loaded: it could run code)"
        ) from None


def parameter_groups(
    network: PhotoNetwork, *, lr: float, head_lr: float, stage_decay: float, weight_decay: float, freeze: int
) -> list[dict[str, object]]:
    """Optimiser groups: a rate for each stage, no weight decay on biases and BatchNorm.

    The rate of ``layer4`` is ``lr``; each stage further down has ``stage_decay`` times that of the one above
    (discriminative fine-tuning: Howard and Ruder, "Universal Language Model Fine-tuning", ACL 2018).
    """
    groups: list[dict[str, object]] = []
    for stage in range(freeze, len(STAGES)):
        rate = head_lr if stage == HEAD else lr * stage_decay ** (HEAD - 1 - stage)
        parameters = [p for module in stage_modules(network, stage) for p in module.parameters()]
        for chosen, decay in ((_matrices(parameters), weight_decay), (_vectors(parameters), 0.0)):
            groups.append({"params": chosen, "lr": rate, "base_lr": rate, "weight_decay": decay})
    return groups


def _matrices(parameters: Sequence[nn.Parameter]) -> list[nn.Parameter]:
    return [parameter for parameter in parameters if parameter.ndim > 1]


def _vectors(parameters: Sequence[nn.Parameter]) -> list[nn.Parameter]:
    return [parameter for parameter in parameters if parameter.ndim <= 1]
