"""Quantization-aware fine-tuning, for networks that lose too much with every calibration method.

The network is trained a little further while its weights and activations are rounded as INT8 will round them
(`export.quantization.fake_quantization`). It learns to answer as the float network does (Hinton et al., "Distilling the
Knowledge in a Neural Network", 2015), so neither labels nor the training recipe are needed.
"""

from dataclasses import replace

import numpy as np
import torch
from torch import fx, nn
from torch.nn.utils import parametrize
from tqdm import tqdm

from export.quantization.fake_quantization import RoundedActivation, RoundedWeight
from finetune.data.photo_batches import photo_batches
from finetune.data.split import Split
from finetune.network.checkpoint import Checkpoint
from finetune.network.photo_network import PIXEL_ZERO

LEARNING_RATE = 1e-5
BATCH = 16


def fine_tune_for_int8(
    checkpoint: Checkpoint, photographs: Split, epochs: int, *, tensorrt: bool = False
) -> Checkpoint:
    """Return the checkpoint after ``epochs`` over ``photographs`` with INT8's rounding.

    The result is deterministic on one CPU. Its metrics are empty, because the old ones describe the network before.

    Args:
        checkpoint: the trained network. It is the teacher and the start.
        photographs: training photographs; their labels are not used.
        epochs: passes over ``photographs``.
        tensorrt: round activations in the form of TensorRT (`export.quantization.int8.quantize`).
    """
    torch.manual_seed(0)
    teacher, student = checkpoint.network(), checkpoint.network()
    # The student stays in eval mode: BatchNorm keeps its statistics, which the export folds into the weights.
    layers = [m for m in student.resnet.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    for layer in layers[1:]:  # not the first: the export divides its weights by the standard deviation of the colours
        parametrize.register_parametrization(layer, "weight", RoundedWeight())
    resnet = student.resnet
    rounded = with_rounded_activations(resnet, tensorrt=tensorrt)
    optimizer = torch.optim.AdamW(resnet.parameters(), lr=LEARNING_RATE, weight_decay=0.0)
    random = np.random.default_rng(0)
    for epoch in range(epochs):
        order = random.permutation(len(photographs))
        paths = [photographs.paths[index] for index in order]
        with tqdm(total=len(paths), desc=f"QAT {epoch + 1}/{epochs}", unit="img", disable=None) as bar:
            for images in photo_batches(paths, checkpoint.preprocessing, BATCH):
                mirrored = images[:, :, ::-1] if random.random() < 0.5 else images
                pixels = torch.from_numpy(np.ascontiguousarray(mirrored))
                with torch.no_grad():
                    target = teacher(pixels).log_softmax(1)
                scaled = (pixels.permute(0, 3, 1, 2).float() - PIXEL_ZERO) / student.std
                answer = rounded(scaled).log_softmax(1)
                loss = nn.functional.kl_div(answer, target, reduction="batchmean", log_target=True)
                optimizer.zero_grad(set_to_none=True)
                loss.backward()  # type: ignore[no-untyped-call]  # torch does not annotate it
                optimizer.step()
                bar.update(len(images))
                bar.set_postfix_str(f"divergence {loss.item():.4f}")
    for layer in layers[1:]:
        parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)
    state = {name: tensor.detach().clone() for name, tensor in resnet.state_dict().items()}
    note = {"epochs": epochs, "split": photographs.name, "images": len(photographs), "sha256": photographs.digest()}
    return replace(checkpoint, state_dict=state, metrics={}, provenance={**checkpoint.provenance, "qat": note})


def with_rounded_activations(network: nn.Module, *, tensorrt: bool) -> fx.GraphModule:
    """Return ``network`` with a rounding step wherever the INT8 graph has one. Both share their modules.

    The INT8 graph rounds after each ReLU, and after each BatchNorm that no ReLU follows (before an addition).
    """
    traced = fx.symbolic_trace(network)
    for node in list(traced.graph.nodes):
        if node.op != "call_module":
            continue
        module = traced.get_submodule(node.target)
        before_relu = any(
            isinstance(traced.get_submodule(str(user.target)), nn.ReLU)
            for user in node.users
            if user.op == "call_module"
        )
        if isinstance(module, nn.ReLU) or (isinstance(module, nn.BatchNorm2d) and not before_relu):
            name = f"rounding_{node.name}"
            traced.add_module(name, RoundedActivation(symmetric=tensorrt))
            with traced.graph.inserting_after(node):
                rounded = traced.graph.call_module(name, (node,))
            node.replace_all_uses_with(rounded, delete_user_cb=lambda user, rounded=rounded: user is not rounded)
    traced.recompile()
    return traced
