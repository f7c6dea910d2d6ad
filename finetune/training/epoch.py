"""One training epoch: the steps of the optimiser, and the learning rate."""

import math
import time
from typing import Any

import numpy as np
from torch import nn
from tqdm import tqdm

from finetune.batches.augmentation import epoch_order
from finetune.batches.mixing import mix
from finetune.batches.training_batches import TrainingBatches
from finetune.recipe import Recipe
from finetune.run.training_run import TrainingRun
from finetune.run.training_state import TrainingState
from runtime.errors import FlowerError

SWA_START = 0.75
"""Fraction of the epochs after which stochastic weight averaging starts."""


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
        TrainingError: the loss or the norm of the gradient is not finite.
    """
    recipe = run.recipe
    steps = len(epoch_order(len(run.train), recipe, epoch))
    loss_sum, correct, count = 0.0, 0, 0
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
            loss = nn.functional.cross_entropy(logits.float(), targets, label_smoothing=recipe.label_smoothing)
            value = loss.item()
            if not math.isfinite(value):
                raise _not_finite("loss", value, run, epoch, index)
            state.optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]  # not annotated in torch
            # Clipping by a norm that is not finite would make every gradient and then every weight NaN.
            norm = float(nn.utils.clip_grad_norm_(state.network.parameters(), recipe.clip_norm))
            if not math.isfinite(norm):
                raise _not_finite("norm of the gradient", norm, run, epoch, index)
            state.optimizer.step()
            state.averaged.update_parameters(state.network)
            if recipe.average == "swa" and epoch < SWA_START * recipe.epochs:
                state.averaged.n_averaged.zero_()  # until then, the average is a copy of the weights
            loss_sum += value * len(labels)
            correct += int((logits.argmax(1) == targets.argmax(1)).sum())
            count += len(labels)
            elapsed = time.monotonic() - started
            remaining = (steps * (recipe.epochs - epoch) - index - 1) * elapsed / (index + 1)
            bar.update(len(labels) * run.processes.count)
            bar.set_postfix_str(f"loss {loss_sum / count:.3f}, acc {correct / count:.1%}, ETA {remaining / 60:.0f} min")
    loss_sum, correct, count = run.processes.all_reduce_sum(np.array([loss_sum, correct, count], np.float64)).tolist()
    return {
        "train_loss": loss_sum / count,
        "train_top1": correct / count,
        "learning_rate": recipe.lr * learning_rate_factor((epoch + 1) * steps - 1, steps, recipe),
        "images_per_second": round(count / (time.monotonic() - started), 2),
    }


def _not_finite(quantity: str, value: float, run: TrainingRun, epoch: int, index: int) -> TrainingError:
    return TrainingError(
        f"the {quantity} became {value} in epoch {epoch + 1}, step {index + 1}; usual causes: a learning rate that is "
        f"too high (--lr, --head-lr), or damaged weights; {run.output} has the state before this epoch, if any"
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
