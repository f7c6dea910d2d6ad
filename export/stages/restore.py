"""From a finished model file back to a checkpoint, for training and for smaller networks.

A model file has no BatchNorm: the export put it into the convolutions. Training needs it, so it is made again from the
statistics of the training photographs. The answers stay the same.
"""

import os
from collections.abc import Callable
from itertools import count, takewhile
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from export.errors import ExportError
from export.graph.float_weights import Layers, float_weights
from export.graph.onnx_files import read_onnx
from export.stages.evidence import changed_photographs_of_model
from export.stages.load import BATCH, training_splits
from finetune.data.dataset import read_split
from finetune.data.photo_batches import photo_batches
from finetune.data.split import Split, join_splits
from finetune.network.architecture import RESNET50, Architecture, convolutions_with_norms
from finetune.network.checkpoint import Checkpoint, save_checkpoint
from finetune.network.photo_network import PhotoNetwork
from runtime.errors import FlowerError, OutOfMemoryError, says_too_little_memory
from runtime.files.digest import file_digest
from runtime.inference.model_file import NOT_ENOUGH_MEMORY, ModelInfo
from runtime.inference.session import Session

STATISTICS_PHOTOGRAPHS = 512
"""Photographs for the statistics. Each has hundreds of positions in a map of features, so more change little."""
LEAST_AGREEMENT = 0.9
"""Share of these photographs to which the file and the checkpoint must give the same first name. The activations of an
INT8 file are rounded and the checkpoint's are not, so near ties may differ. A network that was put together wrongly
agrees by chance only."""
SMALLEST_NORM = 1e-6


def restore_checkpoint(
    model_file: Path, data: Path, output: Path, *, report: Callable[[str], None] = print
) -> tuple[Path, float]:
    """Write a checkpoint with the weights of a model file.

    The weights of an INT8 file are those of the export, rounded to 8 bits.

    Args:
        model_file: ONNX, from ``python -m export``.
        data: the data set that the network was trained on.
        output: the checkpoint, for example ``best.pt``.
        report: receives the lines of the report.

    Returns:
        ``output``, and the share of the photographs to which file and checkpoint give the same first name.

    Raises:
        FlowerError: the file or the data set cannot be used, they have different classes, the network is no ResNet-50
            and no slim one, or the checkpoint cannot be written.
    """
    _check_output(output)
    session = Session(model_file, device="cpu")
    info = session.info
    layers = float_weights(read_onnx(model_file), str(model_file))
    names = training_splits(info.provenance)
    photographs = join_splits([read_split(data, name) for name in names])
    if photographs.classes != info.classes:
        raise ExportError(f"{model_file}: has other classes than the data; give the data that it was trained on")
    try:
        network = PhotoNetwork(len(info.classes), _architecture(info.architecture, layers, model_file))
        _load(network, layers)
    except (KeyError, ValueError, RuntimeError) as error:  # torch raises RuntimeError for another shape
        if says_too_little_memory(error):
            raise OutOfMemoryError(NOT_ENOUGH_MEMORY) from None
        raise FlowerError(
            f"{model_file}: its layers are not those of a ResNet-50 or of a network of --slim; a checkpoint can be "
            "made only from these"
        ) from None
    agreement = _measure_statistics(network, session, photographs.head(STATISTICS_PHOTOGRAPHS))
    if agreement < LEAST_AGREEMENT:
        raise ExportError(
            f"{model_file}: the checkpoint would give another name for {1 - agreement:.1%} of the photographs; nothing "
            "was written; give the FP32 file of the same export, or the data that it was trained on"
        )
    for line in changed_photographs_of_model(data, info, names=names):
        report(f"data     {line}")
    metrics, recipe = info.training.get("metrics"), info.training.get("recipe")
    save_checkpoint(
        Checkpoint(
            state_dict=network.resnet.state_dict(),
            classes=info.classes,
            preprocessing=info.preprocessing,
            recipe=recipe if isinstance(recipe, dict) else {},
            metrics=metrics if isinstance(metrics, dict) else {},
            provenance={**info.provenance, "restored_from_sha256": file_digest(model_file)},
            versions=info.versions,
            architecture=network.architecture,
            # Only if they are the photographs of the training; a model file records one digest of all.
            trained_on=photographs.fingerprints() if _is_recorded(info, photographs) else (),
        ),
        output,
    )
    return output, agreement


def _check_output(output: Path) -> None:
    """Check that a file can be written, before the minutes that its content takes."""
    if output.is_dir():
        raise ExportError(f"{output}: is a folder; name a file, for example {output / 'best.pt'}")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ExportError(f"{output}: cannot be written ({error.strerror})") from None
    if not os.access(output.parent, os.W_OK):
        raise ExportError(f"{output}: cannot be written; its folder is read-only")


def _is_recorded(info: ModelInfo, photographs: Split) -> bool:
    return info.provenance.get("train_sha256") == photographs.digest()


def _architecture(name: str, layers: Layers, model_file: Path) -> Architecture:
    """Return the architecture with the widths that the weights have."""
    if name == RESNET50.name:
        return RESNET50
    widths = []
    for stage in range(1, 5):
        blocks = takewhile(lambda block: f"{block}.conv1" in layers, (f"layer{stage}.{index}" for index in count()))
        widths.append([[len(layers[f"{block}.{part}"][0]) for part in ("conv1", "conv2")] for block in blocks])
    return Architecture.from_untrusted({"name": name, "widths": widths}, model_file)


@torch.no_grad()
def _load(network: PhotoNetwork, layers: Layers) -> None:
    """Put the weights into the network. Its BatchNorms only scale and shift afterwards.

    The weights of each output channel get the size of a random initialisation (He et al., "Delving Deep into
    Rectifiers", ICCV 2015), and the BatchNorm has the rest. A step of the optimiser then changes them as much as those
    of an ordinary checkpoint.
    """
    head = network.resnet.fc
    weights, biases = layers["fc"]
    head.weight.copy_(torch.from_numpy(weights))
    head.bias.copy_(torch.from_numpy(biases))
    for name, convolution, norm in convolutions_with_norms(network.resnet):
        weights, biases = layers[name]
        weight = torch.from_numpy(weights)
        if name == "conv1":
            weight = weight * network.std.view(1, 3, 1, 1)
        sizes = weight.square().mean((1, 2, 3)).sqrt().clamp_min(SMALLEST_NORM)
        side, _ = convolution.kernel_size
        factors = (2 / (side**2 * convolution.out_channels)) ** 0.5 / sizes
        convolution.weight.copy_(weight * factors.view(-1, 1, 1, 1))
        norm.weight.copy_((1 + norm.eps) ** 0.5 / factors)
        norm.bias.copy_(torch.from_numpy(biases))


def _measure_statistics(network: PhotoNetwork, session: Session, photographs: Split) -> float:
    """Give the BatchNorms the statistics of photographs without changing what they compute.

    Returns:
        The share of the photographs to which ``session`` gives the same first name.
    """
    sums: dict[nn.BatchNorm2d, list[torch.Tensor]] = {}

    def add(norm: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        maps = inputs[0].double()
        new = [maps.mean((0, 2, 3)) * len(maps), maps.square().mean((0, 2, 3)) * len(maps)]
        old = sums.setdefault(cast(nn.BatchNorm2d, norm), [torch.zeros_like(part) for part in new])
        for total, part in zip(old, new, strict=True):
            total += part

    norms = [norm for _, _, norm in convolutions_with_norms(network.resnet)]
    hooks = [norm.register_forward_pre_hook(add) for norm in norms]
    network.eval()
    same = 0
    with torch.inference_mode(), tqdm(total=len(photographs), desc="statistics", unit="img", disable=None) as bar:
        for pixels in photo_batches(photographs.paths, session.info.preprocessing, BATCH):
            own = network(torch.from_numpy(pixels)).argmax(1).numpy()
            same += int(np.sum(own == session.run(pixels).logits.argmax(1)))
            bar.update(len(pixels))
    for hook in hooks:
        hook.remove()
    with torch.no_grad():
        for norm, (total, total_squares) in sums.items():
            mean = (total / len(photographs)).float()
            variance = (total_squares / len(photographs) - mean.double().square()).float().clamp_min(0)
            factor = norm.weight / (1 + norm.eps) ** 0.5  # the variance was 1 so far, and the mean 0
            norm.running_mean, norm.running_var = mean, variance
            norm.weight.copy_(factor * (variance + norm.eps).sqrt())
            norm.bias.add_(factor * mean)
    return same / len(photographs)
