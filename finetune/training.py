"""The training loop: one run, from pretrained weights to the best checkpoint, resumable at every epoch."""

import json
import math
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn
from tqdm import tqdm

from finetune.checkpoint import Checkpoint, save_checkpoint
from finetune.curves import draw_curves
from finetune.frozen import cache_folder
from finetune.mixing import mix
from finetune.network import set_trainable
from finetune.photos import epoch_order
from finetune.recipe import Recipe
from finetune.run import LAST, Run, State, save_state
from finetune.validation import Validation
from finetune.views import TrainingViews, views_of
from runtime.atomic import remove_leftovers, write_text
from runtime.errors import FlowerError

BEST, LOG, CURVES, TENSORBOARD = "best.pt", "log.jsonl", "curves.png", "tensorboard"
SWA_START = 0.75
"""Share of the epochs after which stochastic weight averaging begins."""


class TrainingError(FlowerError):
    """Training cannot go on."""


def train(run: Run, state: State) -> Path:
    """Train until the recipe's last epoch and return the best checkpoint's path.

    After every epoch ``last.pt`` (for resuming), ``log.jsonl`` and ``curves.png`` are written, and ``best.pt`` when
    validation accuracy rose, or without a validation split after the last epoch. Each appears whole or not at all.

    Raises:
        TrainingError: the loss or its gradient is no longer a number.
    """
    recipe, is_first = run.recipe, run.processes.is_first
    if is_first:
        run.output.mkdir(parents=True, exist_ok=True)
        remove_leftovers(run.output, BEST, LAST, LOG, CURVES)
    run.processes.wait()
    views = views_of(run, state.network)
    validation = Validation(run, run.val, state.network) if run.val is not None else None
    set_trainable(state.network, recipe.freeze)
    network = run.processes.wrap(state.network, recipe)
    if is_first and state.epoch == recipe.epochs:
        _write_history(run, state)  # killed after the last epoch's state was saved, a run never wrote that epoch's
    for epoch in range(state.epoch, recipe.epochs):
        started = time.monotonic()
        set_trainable(state.network, recipe.first_trained_stage(epoch), train_statistics=recipe.batchnorm == "train")
        record = {"epoch": epoch + 1, **train_epoch(run, state, network, views[recipe.phase(epoch)], epoch)}
        if validation is not None and recipe.validates(epoch):
            record |= validation.measure(state.averaged_network())
            if not math.isfinite(record["val_loss"]):
                raise TrainingError(
                    f"the validation loss became {record['val_loss']} after epoch {epoch + 1}; usual cause: a rate "
                    f"that is too high (--lr, --head-lr); {run.output} keeps the state before this epoch, if any"
                )
        record["seconds"] = round(time.monotonic() - started, 1)
        kept = record["val_top1"] > state.best_top1() if "val_top1" in record else epoch + 1 == recipe.epochs
        state.history.append(record)
        state.epoch = epoch + 1
        if is_first:
            if kept:
                save_checkpoint(_checkpoint(run, state, record), run.output / BEST)
            save_state(run, state)
            _write_history(run, state)
            if run.tensorboard:
                _log_to_tensorboard(run.output / TENSORBOARD, record)
            run.report(_line(record, recipe, kept))
        run.processes.wait()
    if is_first and run.cache is None:
        shutil.rmtree(cache_folder(run), ignore_errors=True)
    return run.output / BEST


def _write_history(run: Run, state: State) -> None:
    """``log.jsonl`` and ``curves.png``, from all epochs so far."""
    write_text(run.output / LOG, "".join(json.dumps(line) + "\n" for line in state.history))
    draw_curves(state.history, run.output / CURVES)


def _line(record: dict[str, Any], recipe: Recipe, kept: bool) -> str:
    validated = f"val loss {record['val_loss']:.3f}  val top-1 {record['val_top1']:.2%}" if "val_loss" in record else ""
    left = (recipe.epochs - record["epoch"]) * record["seconds"]
    return (
        f"epoch {record['epoch']:>3}/{recipe.epochs}  loss {record['train_loss']:.3f}  {validated}"
        f"{' *' if kept else '  '}  {record['images_per_second']:.1f} img/s  {left / 60:.0f} min left"
    )


def train_epoch(run: Run, state: State, network: nn.Module, views: TrainingViews, epoch: int) -> dict[str, Any]:
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
                raise _no_number("loss", value, run, epoch, index)
            state.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            # A norm that is no number would clip every gradient to NaN, and the weights with them.
            norm = float(nn.utils.clip_grad_norm_(state.network.parameters(), recipe.clip_norm))
            if not math.isfinite(norm):
                raise _no_number("norm of the gradient", norm, run, epoch, index)
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


def _no_number(what: str, value: float, run: Run, epoch: int, index: int) -> TrainingError:
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


def _checkpoint(run: Run, state: State, record: dict[str, Any]) -> Checkpoint:
    return Checkpoint(
        state_dict=state.averaged_weights(),
        classes=run.train.classes,
        preprocessing=run.preprocessing,
        recipe=run.recipe.to_dict(),
        metrics={**record, "val_images": len(run.val) if run.val is not None else 0},
        provenance=run.provenance,
        versions=run.versions,
    )


def _log_to_tensorboard(folder: Path, record: dict[str, Any]) -> None:
    """One epoch's figures for TensorBoard; those of the same or a later epoch, of a run cut short, are replaced."""
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(folder), purge_step=record["epoch"]) as writer:
        for name, value in record.items():
            if name != "epoch":
                kind, _, rest = name.partition("_")
                writer.add_scalar(f"{rest}/{kind}" if kind in ("train", "val") else name, value, record["epoch"])
