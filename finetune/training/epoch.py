"""One training epoch: the steps of the optimiser, and the learning rate."""

import math
import time
from typing import Any, cast

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from finetune.batches.augmentation import epoch_order
from finetune.batches.mixing import mix
from finetune.batches.training_batches import TrainingBatches
from finetune.network.photo_network import PhotoNetwork
from finetune.recipe import Recipe
from finetune.run.training_run import TrainingRun
from finetune.run.training_state import TrainingState
from finetune.slimming.distillation import distillation_loss
from runtime.errors import FlowerError

SWA_START = 0.75
"""Fraction of the epochs after which stochastic weight averaging starts."""


CHECK_EVERY = 50
"""Steps between two looks at the loss on a GPU, which computes ahead meanwhile: each look waits for it."""


class TrainingError(FlowerError):
    """Training cannot continue."""


def train_epoch(
    run: TrainingRun, state: TrainingState, network: nn.Module, batches: TrainingBatches, epoch: int
) -> dict[str, Any]:
    """Train for one epoch.

    Args:
        run: the settings.
        state: is changed in place.
        network: the state's network, or this network wrapped for several processes.
        batches: those of the epoch's phase.
        epoch: counted from 0.

    Returns:
        The epoch's record, without validation: mean loss, accuracy, last learning rate, images per second.

    Raises:
        TrainingError: the loss or the norm of the gradient is not finite. On a CPU, the weights are those before that
            step; on a GPU, they may be of later steps.
    """
    recipe, device = run.recipe, run.hardware.device
    steps = len(epoch_order(len(run.train), recipe, epoch))
    check_every = steps_between_checks(device)
    # The sums stay on the device, so that a GPU computes the next step without waiting for this process.
    loss_sum, correct = (
        torch.zeros((), dtype=torch.float64, device=device),
        torch.zeros((), dtype=torch.int64, device=device),
    )
    count, unchecked = 0, []
    started = time.monotonic()
    with tqdm(
        total=len(run.train),
        desc=f"epoch {epoch + 1}/{recipe.epochs}",
        unit="img",
        leave=False,
        disable=None if run.processes.is_main else True,
    ) as bar:
        for index, (inputs, labels) in enumerate(batches.epoch(epoch)):
            step = epoch * steps + index
            factor = learning_rate_factor(step, steps, recipe)
            for group in state.optimizer.param_groups:
                group["lr"] = group["base_lr"] * factor
            inputs, targets = mix(inputs, labels, recipe.for_epoch(epoch), len(run.train.classes), step)
            with run.hardware.autocast():
                logits = network(inputs, recipe.freeze)
                answers = _teacher_logits(state.teacher, inputs, recipe.freeze)
            if answers is not None:
                loss = distillation_loss(logits, answers)
            else:
                loss = nn.functional.cross_entropy(logits.float(), targets, label_smoothing=recipe.label_smoothing)
            state.optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]  # not annotated in torch
            norm = nn.utils.clip_grad_norm_(state.network.parameters(), recipe.clip_norm)
            unchecked.append(torch.stack((loss.detach(), norm)))
            is_check = (index + 1) % check_every == 0 or index + 1 == steps
            if is_check:
                # Before the step: clipping by a norm that is not finite makes every gradient and then every weight NaN.
                _check_finite(unchecked, run, epoch, index)
                unchecked.clear()
            state.optimizer.step()
            state.averaged.update_parameters(state.network)
            if recipe.average == "swa" and epoch < SWA_START * recipe.epochs:
                state.averaged.n_averaged.zero_()  # until then, the average is a copy of the weights
            loss_sum += loss.detach().double() * len(labels)
            correct += (logits.argmax(1) == targets.argmax(1)).sum()
            count += len(labels)
            bar.update(len(labels) * run.processes.count)
            if is_check:
                elapsed = time.monotonic() - started
                remaining = (steps * (recipe.epochs - epoch) - index - 1) * elapsed / (index + 1)
                means = f"loss {float(loss_sum) / count:.3f}, acc {float(correct) / count:.1%}"
                bar.set_postfix_str(f"{means}, ETA {remaining / 60:.0f} min")
    sums = np.array([float(loss_sum), float(correct), count], np.float64)
    total_loss, total_correct, total = run.processes.all_reduce_sum(sums).tolist()
    return {
        "train_loss": total_loss / total,
        "train_top1": total_correct / total,
        "learning_rate": recipe.lr * learning_rate_factor((epoch + 1) * steps - 1, steps, recipe),
        "images_per_second": round(total / (time.monotonic() - started), 2),
    }


@torch.no_grad()
def _teacher_logits(teacher: PhotoNetwork | None, inputs: torch.Tensor, first_stage: int) -> torch.Tensor | None:
    """Return the logits of the teacher, whose frozen stages are those of the network that is trained."""
    return None if teacher is None else cast(torch.Tensor, teacher(inputs, first_stage))


def steps_between_checks(device: torch.device) -> int:
    """Return how many steps are computed before their losses are looked at: 1 on a CPU, which is never ahead."""
    return CHECK_EVERY if device.type == "cuda" else 1


def _check_finite(unchecked: list[torch.Tensor], run: TrainingRun, epoch: int, last: int) -> None:
    """Check the losses and the norms of the gradient, shape (2,) for each step up to the step ``last``."""
    for step, values in enumerate(torch.stack(unchecked).tolist(), start=last + 1 - len(unchecked)):
        for quantity, value in zip(("loss", "norm of the gradient"), values, strict=True):
            if not math.isfinite(value):
                raise TrainingError(
                    f"the {quantity} became {value} in epoch {epoch + 1}, step {step + 1}; usual causes: a learning "
                    "rate that is too high (--lr, --head-lr), or damaged weights; "
                    f"{run.output} has the state before this epoch, if any"
                )


def learning_rate_factor(step: int, steps_per_epoch: int, recipe: Recipe) -> float:
    """Return the factor of the learning rate, 0 to 1: linear warm-up, then a half cosine to 0.

    Source: Loshchilov and Hutter, "SGDR", ICLR 2017.
    """
    warmup = recipe.warmup_epochs * steps_per_epoch
    if step < warmup:
        return (step + 1) / math.ceil(warmup)
    total = recipe.epochs * steps_per_epoch
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1.0, total - warmup)))
