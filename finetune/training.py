"""The training loop: one run, from pretrained weights to the best checkpoint, resumable at every epoch."""

import json
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader
from tqdm import tqdm

from finetune.accuracy import mean_per_class, top_k
from finetune.checkpoint import Checkpoint, save_checkpoint
from finetune.curves import draw_curves
from finetune.hardware import Hardware
from finetune.network import set_trainable
from finetune.oxford import DataError, Split
from finetune.photos import EpochSampler, TrainingPhotos, batches, read_photo, stream
from finetune.recipe import Recipe
from finetune.run import Run, State, save_state
from runtime.atomic import write_text
from runtime.errors import FlowerError
from runtime.preprocessing import Preprocessing

BEST, LOG, CURVES = "best.pt", "log.jsonl", "curves.png"
EVALUATION_BATCH = 64


class TrainingError(FlowerError):
    """Training cannot go on."""


def train(run: Run, state: State) -> Path:
    """Train until the recipe's last epoch and return the best checkpoint's path.

    After every epoch ``last.pt`` (for resuming), ``log.jsonl`` and ``curves.png`` are written, and ``best.pt`` when
    validation accuracy rose. Each appears whole or not at all.

    Raises:
        TrainingError: the loss is no longer a number.
    """
    run.output.mkdir(parents=True, exist_ok=True)
    recipe = run.recipe
    sampler = EpochSampler(len(run.train), recipe.seed)
    loader = DataLoader(
        TrainingPhotos(run.train, recipe),
        batch_size=recipe.batch_size,
        sampler=sampler,
        drop_last=len(run.train) > recipe.batch_size,
        num_workers=run.hardware.workers,
        pin_memory=run.hardware.device.type == "cuda",
    )
    pixels = _preprocessed(run.val, run.preprocessing)
    for epoch in range(state.epoch, recipe.epochs):
        started = time.monotonic()
        sampler.epoch = epoch
        set_trainable(state.network, recipe.first_trained_stage(epoch))
        try:
            record = {"epoch": epoch + 1, **_train_epoch(run, state, loader, epoch)}
        except DataError:
            # From a worker it arrives with that worker's traceback as its text. Meet it again here, in its own words.
            for path in run.train.paths:
                read_photo(path)
            raise
        logits = predict(state.averaged.module, pixels, run.hardware)
        record |= {
            "val_loss": float(nn.functional.cross_entropy(torch.from_numpy(logits), torch.from_numpy(run.val.labels))),
            "val_top1": top_k(logits, run.val.labels),
            "val_top5": top_k(logits, run.val.labels, 5),
            "val_mean_per_class": mean_per_class(logits, run.val.labels),
            "seconds": round(time.monotonic() - started, 1),
        }
        if not math.isfinite(record["val_loss"]):
            raise TrainingError(
                f"the validation loss became {record['val_loss']} after epoch {epoch + 1}; usual cause: a rate "
                f"that is too high (--lr, --head-lr); {run.output} keeps the state before this epoch, if there was one"
            )
        improved = record["val_top1"] > state.best_top1()
        state.history.append(record)
        state.epoch = epoch + 1
        if improved:
            save_checkpoint(_checkpoint(run, state, record), run.output / BEST)
        save_state(run, state)
        write_text(run.output / LOG, "".join(json.dumps(line) + "\n" for line in state.history))
        draw_curves(state.history, run.output / CURVES)
        left = (recipe.epochs - epoch - 1) * record["seconds"]
        run.report(
            f"epoch {epoch + 1:>3}/{recipe.epochs}  loss {record['train_loss']:.3f}  "
            f"val loss {record['val_loss']:.3f}  val top-1 {record['val_top1']:.2%}{' *' if improved else '  '}  "
            f"{record['images_per_second']:.1f} img/s  {left / 60:.0f} min left"
        )
    return run.output / BEST


def _preprocessed(split: Split, preprocessing: Preprocessing) -> np.ndarray:
    """All photographs of ``split``, kept for the whole run: uint8 (images, size, size, 3), 150 MB for a thousand."""
    parts = []
    with tqdm(total=len(split), desc="reading validation", unit="img", leave=False, disable=None) as bar:
        for images in batches(split.paths, preprocessing, EVALUATION_BATCH):
            parts.append(images)
            bar.update(len(images))
    return np.concatenate(parts)


def _train_epoch(run: Run, state: State, loader: DataLoader[Any], epoch: int) -> dict[str, Any]:
    recipe, device = run.recipe, run.hardware.device
    losses, right, seen = 0.0, 0, 0
    started = time.monotonic()
    with tqdm(
        total=len(run.train), desc=f"epoch {epoch + 1}/{recipe.epochs}", unit="img", leave=False, disable=None
    ) as bar:
        for index, (images, labels) in enumerate(loader):
            step = epoch * len(loader) + index
            factor = learning_rate_factor(step, len(loader), recipe)
            for group in state.optimizer.param_groups:
                group["lr"] = group["base_lr"] * factor
            images, labels = images.to(device, non_blocking=True), labels.to(device, non_blocking=True)
            images, targets = _mix(images, labels, recipe, len(run.train.classes), step)
            with run.hardware.autocast():
                logits = state.network(images)
            loss = nn.functional.cross_entropy(logits.float(), targets, label_smoothing=recipe.label_smoothing)
            value = loss.item()
            if not math.isfinite(value):
                raise TrainingError(
                    f"the loss became {value} in epoch {epoch + 1}, step {index + 1}; usual causes: a learning rate "
                    f"that is too high (--lr, --head-lr), or damaged weights; {run.output} keeps what was saved before"
                )
            state.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(state.network.parameters(), recipe.clip_norm)
            state.optimizer.step()
            state.averaged.update_parameters(state.network)
            losses += value * len(labels)
            right += int((logits.argmax(1) == targets.argmax(1)).sum())
            seen += len(labels)
            elapsed = time.monotonic() - started
            remaining = (len(loader) * (recipe.epochs - epoch) - index - 1) * elapsed / (index + 1)
            bar.update(len(labels))
            bar.set_postfix_str(f"loss {losses / seen:.3f}, acc {right / seen:.1%}, ETA {remaining / 60:.0f} min")
    return {
        "train_loss": losses / seen,
        "train_top1": right / seen,
        "learning_rate": recipe.lr * learning_rate_factor((epoch + 1) * len(loader) - 1, len(loader), recipe),
        "images_per_second": round(seen / (time.monotonic() - started), 2),
    }


def learning_rate_factor(step: int, steps_per_epoch: int, recipe: Recipe) -> float:
    """Linear warm-up, then half a cosine down to 0 (Loshchilov and Hutter, "SGDR", ICLR 2017); 0 to 1."""
    warmup = recipe.warmup_epochs * steps_per_epoch
    if step < warmup:
        return (step + 1) / math.ceil(warmup)
    total = recipe.epochs * steps_per_epoch
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1.0, total - warmup)))


def _mix(
    images: torch.Tensor, labels: torch.Tensor, recipe: Recipe, classes: int, step: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """MixUp of each image with its mirror position in the batch; targets are probabilities (batch, classes)."""
    targets = nn.functional.one_hot(labels, classes).float()
    if not recipe.mixup:
        return images, targets
    share = float(np.random.default_rng(stream(recipe.seed, 1, step)).beta(recipe.mixup, recipe.mixup))
    mixed = images.float()
    return share * mixed + (1 - share) * mixed.flip(0), share * targets + (1 - share) * targets.flip(0)


@torch.no_grad()
def predict(network: nn.Module, pixels: np.ndarray, hardware: Hardware) -> np.ndarray:
    """Logits of preprocessed photographs: uint8 (images, size, size, 3) to float32 (images, classes)."""
    network.eval()
    parts = []
    for start in range(0, len(pixels), EVALUATION_BATCH):
        images = torch.from_numpy(pixels[start : start + EVALUATION_BATCH]).to(hardware.device)
        with hardware.autocast():
            parts.append(network(images).float().cpu())
    return torch.cat(parts).numpy()


def _checkpoint(run: Run, state: State, record: dict[str, Any]) -> Checkpoint:
    return Checkpoint(
        state_dict=state.averaged_weights(),
        classes=run.train.classes,
        preprocessing=run.preprocessing,
        recipe=run.recipe.to_dict(),
        metrics={**record, "val_images": len(run.val)},
        provenance=run.provenance,
        versions=run.versions,
    )
