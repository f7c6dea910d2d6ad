"""The picture of the training curves."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from runtime.files.atomic import atomic_file


def draw_curves(history: Sequence[dict[str, Any]], path: Path) -> None:
    """Draw loss and accuracy over the epochs of ``history`` (the records of ``log.jsonl``) into a PNG."""
    # Without pyplot, which would change the backend of a notebook.
    from matplotlib.figure import Figure

    epochs = [record["epoch"] for record in history]
    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.plot(epochs, [record["train_loss"] for record in history], label="training (augmented)")
    left.set(xlabel="epoch", ylabel="cross-entropy", title="Loss")
    right.plot(epochs, [100 * record["train_top1"] for record in history], label="training (augmented)")
    right.set(xlabel="epoch", ylabel="top-1, %", title="Accuracy")
    if validated := [record for record in history if "val_top1" in record]:
        epochs = [record["epoch"] for record in validated]
        left.plot(epochs, [record["val_loss"] for record in validated], label="validation")
        right.plot(epochs, [100 * record["val_top1"] for record in validated], label="validation")
        best = max(validated, key=lambda record: record["val_top1"])
        right.plot(best["epoch"], 100 * best["val_top1"], "o", color="C1")
        right.annotate(
            f"{100 * best['val_top1']:.1f} %",
            (best["epoch"], 100 * best["val_top1"]),
            textcoords="offset points",
            xytext=(0, -14),
            ha="center",
        )
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.legend()
        axes.xaxis.get_major_locator().set_params(integer=True)
    with atomic_file(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)
