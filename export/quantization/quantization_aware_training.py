"""Quantization-aware fine-tuning: the last resort where calibration and layers in float do not reach the goal.

The network is trained a little further while its weights and activations are rounded as INT8 will round them, and
gradients pass the rounding as if it were not there (Jacob et al., "Quantization and Training of Neural Networks for
Efficient Integer-Arithmetic-Only Inference", CVPR 2018). It learns to answer as the float network does (Hinton et al.,
"Distilling the Knowledge in a Neural Network", 2015), so no label and nothing of the training recipe is needed.
"""

import warnings
from dataclasses import replace

import numpy as np
import torch
from torch import fx, nn
from torch.ao.quantization import FakeQuantize, MovingAverageMinMaxObserver
from torch.nn.utils import parametrize
from tqdm import tqdm

from finetune.data.photo_batches import photo_batches
from finetune.data.split import Split
from finetune.network.checkpoint import Checkpoint
from finetune.network.photo_network import PIXEL_ZERO

LEARNING_RATE = 1e-5
BATCH = 16
STEPS = 127
"""On either side of 0, for weights."""


class _RoundedWeight(nn.Module):
    """int8 with a scale for each output channel. BatchNorm, folded in at export, scales channels: nothing changes."""

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        channels = len(weight)
        scale = weight.detach().abs().reshape(channels, -1).amax(1).clamp(min=1e-12) / STEPS
        zero = torch.zeros(channels, dtype=torch.int32)
        return torch.fake_quantize_per_channel_affine(weight, scale, zero, 0, -STEPS, STEPS)


def fine_tune_for_int8(checkpoint: Checkpoint, photographs: Split, epochs: int, tensorrt: bool = False) -> Checkpoint:
    """The checkpoint after ``epochs`` over ``photographs`` with INT8's rounding.

    Deterministic on one CPU. Its metrics are empty: they were those of the network before.
    """
    torch.manual_seed(0)
    teacher, student = checkpoint.network(), checkpoint.network()
    # Not `train`: BatchNorm keeps its statistics, which the export folds into the weights.
    layers = [m for m in student.resnet.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    for layer in layers[1:]:  # the first one's weights are divided by the colours' deviations at export
        parametrize.register_parametrization(layer, "weight", _RoundedWeight())
    whole = student.resnet
    rounded = _rounding_activations(whole, tensorrt)
    optimizer = torch.optim.AdamW(whole.parameters(), lr=LEARNING_RATE, weight_decay=0.0)
    random = np.random.default_rng(0)
    for epoch in range(epochs):
        order = random.permutation(len(photographs))
        paths = [photographs.paths[index] for index in order]
        with tqdm(total=len(paths), desc=f"QAT {epoch + 1}/{epochs}", unit="img", disable=None) as bar:
            for images in photo_batches(paths, checkpoint.preprocessing, BATCH):
                mirrored = images[:, :, ::-1] if random.random() < 0.5 else images
                pixels = torch.from_numpy(np.ascontiguousarray(mirrored))
                with torch.no_grad():
                    wanted = teacher(pixels).log_softmax(1)
                scaled = (pixels.permute(0, 3, 1, 2).float() - PIXEL_ZERO) / student.std
                found = rounded(scaled).log_softmax(1)
                loss = nn.functional.kl_div(found, wanted, reduction="batchmean", log_target=True)
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                optimizer.step()
                bar.update(len(images))
                bar.set_postfix_str(f"divergence {loss.item():.4f}")
    for layer in layers[1:]:
        parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)
    state = {name: tensor.detach().clone() for name, tensor in whole.state_dict().items()}
    note = {"epochs": epochs, "split": photographs.name, "images": len(photographs), "sha256": photographs.digest()}
    return replace(checkpoint, state_dict=state, metrics={}, provenance={**checkpoint.provenance, "qat": note})


def _rounding_activations(network: nn.Module, tensorrt: bool) -> fx.GraphModule:
    """``network`` with a round through bytes wherever the exported graph has one; its modules are the same."""
    kind = {"quant_min": 0, "quant_max": 255, "dtype": torch.quint8, "qscheme": torch.per_tensor_affine}
    if tensorrt:
        kind = {"quant_min": -128, "quant_max": 127, "dtype": torch.qint8, "qscheme": torch.per_tensor_symmetric}
    traced = fx.symbolic_trace(network)
    for node in list(traced.graph.nodes):
        if node.op != "call_module":
            continue
        module = traced.get_submodule(node.target)
        before_relu = any(isinstance(traced.get_submodule(str(user.target)), nn.ReLU)
                          for user in node.users if user.op == "call_module")  # fmt: skip
        if isinstance(module, nn.ReLU) or (isinstance(module, nn.BatchNorm2d) and not before_relu):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of torch.ao's move to a package of its own
                rounding = FakeQuantize(observer=MovingAverageMinMaxObserver, reduce_range=False, **kind)
            name = f"rounding_{node.name}"
            traced.add_module(name, rounding)
            with traced.graph.inserting_after(node):
                rounded = traced.graph.call_module(name, (node,))
            node.replace_all_uses_with(rounded, delete_user_cb=lambda user, rounded=rounded: user is not rounded)
    traced.recompile()
    return traced
