"""State dicts of other programs: how they wrap and name the tensors of a ResNet-50, and what else a file may hold."""

import re
from collections.abc import Mapping
from typing import Any

import torch

WRAPPERS = (
    *("state_dict", "model_state_dict", "model_state", "model", "network", "net", "weights", "params"),
    *("model_ema", "state_dict_ema", "ema"),
)
"""Keys under which training programs save a state dict, beside their optimiser and settings: Lightning and timm
(``state_dict``), torchvision's references (``model``, ``model_ema``), PyTorch's tutorials. If a file has several, the
first in this order is taken."""
MAX_DEPTH = 3
"""Most wrappers around each other."""
INSERTED = ("_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module.")
"""What ``torch.compile``, FSDP and activation checkpointing insert into names, at any place."""
HEADS = ("fc.", "head.", "classifier.", "last_linear.")
"""What the names of the head begin with in different programs."""
_FIRST_BLOCK = "layer1.0.conv1.weight"
_HUGGING_FACE = (
    (r"embedder\.embedder\.convolution\.", "conv1."),
    (r"embedder\.embedder\.normalization\.", "bn1."),
    (r"encoder\.stages\.(\d+)\.layers\.(\d+)\.shortcut\.convolution\.", r"layer{stage}.\2.downsample.0."),
    (r"encoder\.stages\.(\d+)\.layers\.(\d+)\.shortcut\.normalization\.", r"layer{stage}.\2.downsample.1."),
    (r"encoder\.stages\.(\d+)\.layers\.(\d+)\.layer\.(\d+)\.convolution\.", r"layer{stage}.\2.conv{part}."),
    (r"encoder\.stages\.(\d+)\.layers\.(\d+)\.layer\.(\d+)\.normalization\.", r"layer{stage}.\2.bn{part}."),
)
"""Names of Hugging Face's ``ResNetModel``, and torchvision's. Stages and parts of a block are counted from 0 there."""


def find_state_dict(content: object, depth: int = 0) -> dict[str, torch.Tensor] | None:
    """Return the state dict in the content of a file: the content itself, or what `WRAPPERS` lead to; None without."""
    if not isinstance(content, dict) or depth > MAX_DEPTH:
        return None
    for key in WRAPPERS:
        if isinstance(content.get(key), dict) and (found := find_state_dict(content[key], depth + 1)):
            return found
    return {name: value for name, value in content.items() if isinstance(value, torch.Tensor) and isinstance(name, str)}


def with_torchvision_names(state: Mapping[str, torch.Tensor]) -> tuple[dict[str, torch.Tensor], list[str]]:
    """Return the tensors of a ResNet under torchvision's names, without its head, and the prefixes that were found.

    The prefix is what stands before the names of the ResNet: ``module.`` (DataParallel), ``model.`` or ``net.``
    (Lightning), ``backbone.``, …. Tensors without it belong to something else, for example to a loss. With several
    prefixes the file holds several networks; the tensors are those of the first.
    """
    renamed = {_torchvision_name(name): tensor for name, tensor in state.items()}
    prefixes = sorted(name.removesuffix(_FIRST_BLOCK) for name in renamed if name.endswith(_FIRST_BLOCK))
    prefix = prefixes[0] if prefixes else ""
    own = {name.removeprefix(prefix): tensor for name, tensor in renamed.items() if name.startswith(prefix)}
    return {name: tensor for name, tensor in own.items() if not name.startswith(HEADS)}, prefixes


def _torchvision_name(name: str) -> str:
    for part in INSERTED:
        name = name.replace(part, "")
    for pattern, replacement in _HUGGING_FACE:
        if match := re.search(pattern, name):
            groups = match.groups()
            numbers = {"stage": int(groups[0]) + 1 if groups else 0, "part": int(groups[-1]) + 1 if groups else 0}
            return re.sub(pattern, replacement.format(**numbers), name)
    return name


def describe_network(state: Mapping[str, torch.Tensor]) -> str:
    """Return what network a state dict belongs to, as far as its names and shapes tell."""
    blocks = {int(match[1]) for name in state if (match := re.match(r"layer3\.(\d+)\.", name))}
    width = tuple(state["layer1.0.conv2.weight"].shape) if "layer1.0.conv2.weight" in state else ()
    kinds: tuple[tuple[Any, str], ...] = (
        ("conv1.0.weight" in state, "a ResNet with a deep stem (ResNet-50-C or -D)"),
        (not blocks, "another network"),
        (any(".se." in name or ".fc1." in name for name in state), "a ResNet with squeeze-and-excitation"),
        (blocks and "layer1.0.conv3.weight" not in state, "a ResNet-18 or ResNet-34"),
        (len(width) == 4 and width[1] < width[0], "a ResNeXt"),
        (len(width) == 4 and width[0] > 64, "a wide ResNet"),
        (len(blocks) > 6, "a ResNet-152" if len(blocks) > 23 else "a ResNet-101"),
    )
    for applies, kind in kinds:
        if applies:
            return kind
    return "another ResNet"
