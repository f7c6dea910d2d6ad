"""The training loop: all epochs of one run, which can be resumed after each epoch."""

import math
import shutil
import time
from pathlib import Path
from typing import Any

from finetune.batches.training_batches import batches_by_phase
from finetune.network.checkpoint import Checkpoint, save_checkpoint
from finetune.network.photo_network import set_trainable
from finetune.network.tensor_files import unusable_tensor
from finetune.run.output_folder import BEST_CHECKPOINT, CURVES, LAST_STATE, LOG, TENSORBOARD_FOLDER, cache_folder
from finetune.run.training_run import TrainingRun
from finetune.run.training_state import TrainingState, save_state
from finetune.training.epoch import TrainingError, train_epoch
from finetune.training.history import epoch_line, log_to_tensorboard, write_history
from finetune.training.validation import Validation
from runtime.files.atomic import remove_leftovers


def run_epochs(run: TrainingRun, state: TrainingState) -> Path:
    """Train until the recipe's last epoch, and return the path of the best checkpoint.

    Each epoch writes ``last.pt`` (for resuming), ``log.jsonl`` and ``curves.png``. ``best.pt`` is written when the
    validation accuracy is the highest so far, or without validation after the last epoch. All files are written
    atomically.

    Raises:
        TrainingError: the loss or its gradient is not finite.
        CheckpointError: a file cannot be written.
    """
    recipe, is_main = run.recipe, run.processes.is_main
    if is_main:
        run.output.mkdir(parents=True, exist_ok=True)
        remove_leftovers(run.output, BEST_CHECKPOINT, LAST_STATE, LOG, CURVES)
    run.processes.wait_for_all()
    phase_batches = batches_by_phase(run, state.network)
    validation = Validation(run, run.val, state.network) if run.val is not None else None
    set_trainable(state.network, recipe.freeze)
    network = run.processes.wrap_network(state.network, recipe)
    if is_main and state.epoch == recipe.epochs:
        # A run that was killed after saving its last state has not written the history of the last epoch.
        write_history(run, state)
    for epoch in range(state.epoch, recipe.epochs):
        started = time.monotonic()
        set_trainable(state.network, recipe.first_trained_stage(epoch), train_statistics=recipe.batchnorm == "train")
        record = {"epoch": epoch + 1, **train_epoch(run, state, network, phase_batches[recipe.for_epoch(epoch)], epoch)}
        for part in (state.network, state.averaged_network()):
            run.processes.average_buffers(part)
            reason = unusable_tensor(part.state_dict())
            if reason is not None:
                raise TrainingError(f"{reason} after epoch {epoch + 1}; {_advice(run)}")
        if validation is not None and recipe.validates_after(epoch):
            record |= validation.measure(state.averaged_network())
            if not math.isfinite(record["val_loss"]):
                raise TrainingError(
                    f"the validation loss became {record['val_loss']} after epoch {epoch + 1}; {_advice(run)}"
                )
        record["seconds"] = round(time.monotonic() - started, 1)
        is_best = record["val_top1"] > state.best_top1() if "val_top1" in record else epoch + 1 == recipe.epochs
        state.history.append(record)
        state.epoch = epoch + 1
        if is_main:
            if is_best:
                save_checkpoint(_checkpoint(run, state, record), run.output / BEST_CHECKPOINT)
            save_state(run, state)
            write_history(run, state)
            if run.tensorboard:
                log_to_tensorboard(run.output / TENSORBOARD_FOLDER, record)
            run.report(epoch_line(record, recipe, is_best))
        run.processes.wait_for_all()
    if is_main and run.cache is None:
        shutil.rmtree(cache_folder(run), ignore_errors=True)
    return run.output / BEST_CHECKPOINT


def _advice(run: TrainingRun) -> str:
    return (
        "usual cause: a learning rate that is too high (--lr, --head-lr); "
        f"{run.output} has the state before this epoch, if any"
    )


def _checkpoint(run: TrainingRun, state: TrainingState, record: dict[str, Any]) -> Checkpoint:
    return Checkpoint(
        state_dict=state.averaged_weights(),
        classes=run.train.classes,
        preprocessing=run.preprocessing,
        recipe=run.recipe.to_dict(),
        metrics={**record, "val_images": len(run.val) if run.val is not None else 0},
        provenance=run.provenance,
        versions=run.versions,
        architecture=state.network.architecture,
        trained_on=run.trained_on,
    )
