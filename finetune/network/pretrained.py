"""The weights that training starts from, and files of tensors that may come from anywhere."""

from pathlib import Path

import torch

from finetune.network.photo_network import IMAGENET_MEAN, IMAGENET_STD, PIXEL_ZERO, PhotoNetwork
from finetune.network.tensor_files import WeightsError, load_untrusted


def load_pretrained(network: PhotoNetwork, weights: Path) -> None:
    """Load ImageNet weights, which expect ImageNet's mean and standard deviation, into all but the head.

    Args:
        network: is changed in place.
        weights: a file with a torchvision ``resnet50`` state dict; `finetune.data.download.ensure_weights` fetches one.

    Raises:
        WeightsError: the file is missing or holds something else.
    """
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
