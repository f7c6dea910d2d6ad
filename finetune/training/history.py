"""TODO from finetune.training.loop."""

import json
from pathlib import Path
from typing import Any

from finetune.recipe import Recipe
from finetune.run.training_run import TrainingRun
from finetune.run.training_state import TrainingState
from finetune.training.curves import draw_curves
from runtime.files.atomic import write_text

BEST, LOG, CURVES, TENSORBOARD = "best.pt", "log.jsonl", "curves.png", "tensorboard"


def write_history(run: TrainingRun, state: TrainingState) -> None:
    """``log.jsonl`` and ``curves.png``, from all epochs so far."""
    write_text(run.output / LOG, "".join(json.dumps(line) + "\n" for line in state.history))
    draw_curves(state.history, run.output / CURVES)


def epoch_line(record: dict[str, Any], recipe: Recipe, kept: bool) -> str:
    validated = f"val loss {record['val_loss']:.3f}  val top-1 {record['val_top1']:.2%}" if "val_loss" in record else ""
    left = (recipe.epochs - record["epoch"]) * record["seconds"]
    return (
        f"epoch {record['epoch']:>3}/{recipe.epochs}  loss {record['train_loss']:.3f}  {validated}"
        f"{' *' if kept else '  '}  {record['images_per_second']:.1f} img/s  {left / 60:.0f} min left"
    )


def log_to_tensorboard(folder: Path, record: dict[str, Any]) -> None:
    """One epoch's figures for TensorBoard; those of the same or a later epoch, of a run cut short, are replaced."""
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(folder), purge_step=record["epoch"]) as writer:
        for name, value in record.items():
            if name != "epoch":
                kind, _, rest = name.partition("_")
                writer.add_scalar(f"{rest}/{kind}" if kind in ("train", "val") else name, value, record["epoch"])
