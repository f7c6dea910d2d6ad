"""The ImageNet weights that training starts from."""

from pathlib import Path

import torch

from finetune.network.photo_network import IMAGENET_MEAN, IMAGENET_STD, PIXEL_ZERO, PhotoNetwork
from finetune.network.tensor_files import WeightsError, load_untrusted


def load_pretrained(network: PhotoNetwork, weights: Path) -> None:
    """Load ImageNet weights, which expect ImageNet's mean and standard deviation, into all stages except the head.

    Args:
        network: is changed in place.
        weights: a file with a torchvision ``resnet50`` state dict; `finetune.data.download.ensure_weights` fetches one.

    Raises:
        WeightsError: the file is missing or holds something else.
    """
    state = {name: tensor for name, tensor in read_state_dict(weights).items() if not name.startswith("fc.")}
    try:
        missing, unexpected = network.resnet.load_state_dict(state, strict=False)
    except (RuntimeError, TypeError, AttributeError):
        raise WeightsError(
            f"{weights.name}: its tensors do not have the shapes of a ResNet-50; use a torchvision resnet50 state dict"
        ) from None
    missing = [name for name in missing if not name.startswith("fc.")]
    if missing or unexpected:
        raise WeightsError(
            f"{weights.name}: not a torchvision resnet50 state dict ({len(missing)} tensors missing, "
            f"{len(unexpected)} unknown, for example {(missing + unexpected)[0]!r}); use another file"
        )
    _move_means_into_batchnorm(network)


@torch.no_grad()
def _move_means_into_batchnorm(network: PhotoNetwork) -> None:
    """Adapt weights that expect ImageNet's three means to the single `PIXEL_ZERO`.

    Another zero point shifts the input of ``conv1`` by a constant per channel, and therefore its output by a constant
    per filter. Subtracting this constant from BatchNorm's running mean compensates for it.
    """
    shift = (255 * torch.tensor(IMAGENET_MEAN) - PIXEL_ZERO) / (255 * torch.tensor(IMAGENET_STD))
    weight = network.resnet.conv1.weight
    network.resnet.bn1.running_mean += (weight.sum(dim=(2, 3)) * shift.to(weight)).sum(dim=1)


def read_state_dict(path: Path) -> dict[str, torch.Tensor]:
    """Read a state dict from an untrusted file, without running code from it.

    Raises:
        WeightsError: missing, too large, or not a state dict.
    """
    state = load_untrusted(path)
    if isinstance(state, dict) and isinstance(state.get("state_dict"), dict):
        state = state["state_dict"]
    if not isinstance(state, dict) or not all(isinstance(tensor, torch.Tensor) for tensor in state.values()):
        raise WeightsError(f"{path}: not a state dict; write one with torch.save(model.state_dict(), FILE)")
    return state
