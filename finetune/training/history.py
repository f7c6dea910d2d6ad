"""The history of a run: ``log.jsonl``, the curves, TensorBoard, and the reported line of each epoch."""

import json
from pathlib import Path
from typing import Any

from finetune.recipe import Recipe
from finetune.run.output_folder import CURVES, LOG
from finetune.run.training_run import TrainingRun
from finetune.run.training_state import TrainingState
from finetune.training.curves import draw_curves
from runtime.files.atomic import write_text


def write_history(run: TrainingRun, state: TrainingState) -> None:
    """Write ``log.jsonl`` and ``curves.png`` for all epochs so far."""
    write_text(run.output / LOG, "".join(json.dumps(line) + "\n" for line in state.history))
    draw_curves(state.history, run.output / CURVES)


def epoch_line(record: dict[str, Any], recipe: Recipe, is_best: bool) -> str:
    """Return the line that is reported after an epoch; ``*`` marks one whose weights were written to ``best.pt``."""
    validation = (
        f"val loss {record['val_loss']:.3f}  val top-1 {record['val_top1']:.2%}" if "val_loss" in record else ""
    )
    seconds_left = (recipe.epochs - record["epoch"]) * record["seconds"]
    return (
        f"epoch {record['epoch']:>3}/{recipe.epochs}  loss {record['train_loss']:.3f}  {validation}"
        f"{' *' if is_best else '  '}  {record['images_per_second']:.1f} img/s  {seconds_left / 60:.0f} min left"
    )


def log_to_tensorboard(folder: Path, record: dict[str, Any]) -> None:
    """Write one epoch's record for TensorBoard.

    Records of the same epoch and of later ones, from an interrupted run, are replaced.
    """
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(folder), purge_step=record["epoch"]) as writer:
        for name, value in record.items():
            if name != "epoch":
                kind, _, rest = name.partition("_")
                writer.add_scalar(f"{rest}/{kind}" if kind in ("train", "val") else name, value, record["epoch"])
