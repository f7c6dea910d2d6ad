"""TODO from finetune.training.loop."""

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
"""Share of the epochs after which stochastic weight averaging begins."""


class TrainingError(FlowerError):
    """Training cannot go on."""


def train_epoch(
    run: TrainingRun, state: TrainingState, network: nn.Module, views: TrainingBatches, epoch: int
) -> dict[str, Any]:
    """One pass over the photographs; ``network`` is the state's, or that wrapped for several processes."""
    recipe = run.recipe
    steps = len(epoch_order(len(run.train), recipe, epoch))
    losses, right, seen = 0.0, 0, 0
    started = time.monotonic()
    with tqdm(
        total=len(run.train),
        desc=f"epoch {epoch + 1}/{recipe.epochs}",
        unit="img",
        leave=False,
        disable=None if run.processes.is_first else True,
    ) as bar:
        for index, (inputs, labels) in enumerate(views.epoch(epoch)):
            step = epoch * steps + index
            factor = learning_rate_factor(step, steps, recipe)
            for group in state.optimizer.param_groups:
                group["lr"] = group["base_lr"] * factor
            inputs, targets = mix(inputs, labels, recipe.phase(epoch), len(run.train.classes), step)
            with run.hardware.autocast():
                logits = network(inputs, recipe.freeze)
            loss = nn.functional.cross_entropy(logits.float(), targets, label_smoothing=recipe.label_smoothing)
            value = loss.item()
            if not math.isfinite(value):
                raise _not_finite("loss", value, run, epoch, index)
            state.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            # A norm that is no number would clip every gradient to NaN, and the weights with them.
            norm = float(nn.utils.clip_grad_norm_(state.network.parameters(), recipe.clip_norm))
            if not math.isfinite(norm):
                raise _not_finite("norm of the gradient", norm, run, epoch, index)
            state.optimizer.step()
            state.averaged.update_parameters(state.network)
            if recipe.average == "swa" and epoch < SWA_START * recipe.epochs:
                state.averaged.n_averaged.zero_()  # the mean begins anew: a copy, until it is time to average
            losses += value * len(labels)
            right += int((logits.argmax(1) == targets.argmax(1)).sum())
            seen += len(labels)
            elapsed = time.monotonic() - started
            remaining = (steps * (recipe.epochs - epoch) - index - 1) * elapsed / (index + 1)
            bar.update(len(labels) * run.processes.count)
            bar.set_postfix_str(f"loss {losses / seen:.3f}, acc {right / seen:.1%}, ETA {remaining / 60:.0f} min")
    losses, right, seen = run.processes.sum(np.array([losses, right, seen], np.float64)).tolist()
    return {
        "train_loss": losses / seen,
        "train_top1": right / seen,
        "learning_rate": recipe.lr * learning_rate_factor((epoch + 1) * steps - 1, steps, recipe),
        "images_per_second": round(seen / (time.monotonic() - started), 2),
    }


def _not_finite(what: str, value: float, run: TrainingRun, epoch: int, index: int) -> TrainingError:
    return TrainingError(
        f"the {what} became {value} in epoch {epoch + 1}, step {index + 1}; usual causes: a learning rate that is too "
        f"high (--lr, --head-lr), or damaged weights; {run.output} keeps what was saved before"
    )


def learning_rate_factor(step: int, steps_per_epoch: int, recipe: Recipe) -> float:
    """Linear warm-up, then half a cosine down to 0 (Loshchilov and Hutter, "SGDR", ICLR 2017); 0 to 1."""
    warmup = recipe.warmup_epochs * steps_per_epoch
    if step < warmup:
        return (step + 1) / math.ceil(warmup)
    total = recipe.epochs * steps_per_epoch
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1.0, total - warmup)))
