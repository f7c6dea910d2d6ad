"""The weights that training starts from: ImageNet's, of torchvision or another program, or a checkpoint's."""

from pathlib import Path

import torch

from finetune.network.checkpoint import FORMAT, load_checkpoint
from finetune.network.photo_network import IMAGENET_MEAN, IMAGENET_STD, PIXEL_ZERO, PhotoNetwork
from finetune.network.state_dicts import describe_network, find_state_dict, with_torchvision_names
from finetune.network.tensor_files import WeightsError, load_untrusted, unusable_tensor

COUNTER = "num_batches_tracked"
"""End of the names of BatchNorm's counters. Old files and files of other programs lack them; nothing here uses them."""
NEEDED = "use the weights of a ResNet-50, with the names of torchvision, timm or Hugging Face"


def load_pretrained(network: PhotoNetwork, weights: Path) -> None:
    """Load weights into all stages except the head.

    Weights of other programs must expect ImageNet's mean and standard deviation. Those of a checkpoint of this project
    expect `PIXEL_ZERO` already.

    Args:
        network: is changed in place.
        weights: a file of torch or safetensors with the tensors of a ResNet-50; see `finetune.network.state_dicts` for
            the names and wrappers that are understood. `finetune.data.download.ensure_weights` fetches one.

    Raises:
        WeightsError: the file is missing or holds something else, or a tensor has values that are not finite.
        CheckpointError: a checkpoint that is damaged.
    """
    content = load_untrusted(weights)
    if isinstance(content, dict) and "averaged" in content and "optimizer" in content:
        raise WeightsError(f"{weights}: the state of a training run, for --resume; use the best.pt beside it")
    is_checkpoint = isinstance(content, dict) and content.get("format") == FORMAT
    found = load_checkpoint(weights).state_dict if is_checkpoint else find_state_dict(content)
    if not found:
        raise WeightsError(f"{weights}: holds no state dict; write one with torch.save(model.state_dict(), FILE)")
    state, prefixes = with_torchvision_names(found)
    if len(prefixes) > 1:
        raise WeightsError(
            f"{weights}: holds several networks ({', '.join(map(repr, prefixes[:3]))} stand before their names); "
            "save the state dict of one of them"
        )
    expected = {name: tensor for name, tensor in network.resnet.state_dict().items() if not name.startswith("fc.")}
    missing = [name for name in expected if name not in state and not name.endswith(COUNTER)]
    different = [name for name in state if name not in expected or state[name].shape != expected[name].shape]
    if missing or different:
        kind = f"{describe_network(state)}, not a ResNet-50" if different else "an incomplete ResNet-50"
        raise WeightsError(
            f"{weights}: {kind} ({len(missing)} tensors missing, {len(different)} "
            f"unknown or of another shape, for example {(missing + different)[0]!r}); {NEEDED}"
        )
    reason = unusable_tensor(state)
    if reason is not None:
        raise WeightsError(f"{weights}: {reason}; use another file")
    network.resnet.load_state_dict(state, strict=False)
    if not is_checkpoint:
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
