"""The training loop: one run, from pretrained weights to the best checkpoint, resumable at every epoch."""

import math
import shutil
import time
from pathlib import Path
from typing import Any

from finetune.batches.feature_cache import cache_folder
from finetune.batches.training_batches import batches_by_phase
from finetune.network.checkpoint import Checkpoint, save_checkpoint
from finetune.network.photo_network import set_trainable
from finetune.run.training_run import TrainingRun
from finetune.run.training_state import LAST, TrainingState, save_state
from finetune.training.epoch import TrainingError, train_epoch
from finetune.training.history import BEST, CURVES, LOG, TENSORBOARD, epoch_line, log_to_tensorboard, write_history
from finetune.training.validation import Validation
from runtime.files.atomic import remove_leftovers


def run_epochs(run: TrainingRun, state: TrainingState) -> Path:
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
    views = batches_by_phase(run, state.network)
    validation = Validation(run, run.val, state.network) if run.val is not None else None
    set_trainable(state.network, recipe.freeze)
    network = run.processes.wrap(state.network, recipe)
    if is_first and state.epoch == recipe.epochs:
        write_history(run, state)  # killed after the last epoch's state was saved, a run never wrote that epoch's
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
            write_history(run, state)
            if run.tensorboard:
                log_to_tensorboard(run.output / TENSORBOARD, record)
            run.report(epoch_line(record, recipe, kept))
        run.processes.wait()
    if is_first and run.cache is None:
        shutil.rmtree(cache_folder(run), ignore_errors=True)
    return run.output / BEST


def _checkpoint(run: TrainingRun, state: TrainingState, record: dict[str, Any]) -> Checkpoint:
    return Checkpoint(
        state_dict=state.averaged_weights(),
        classes=run.train.classes,
        preprocessing=run.preprocessing,
        recipe=run.recipe.to_dict(),
        metrics={**record, "val_images": len(run.val) if run.val is not None else 0},
        provenance=run.provenance,
        versions=run.versions,
    )
