"""A short training run: images per second of each epoch, and the share of time in which the GPU computes."""

import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.measurements.gpu.utilization import SAMPLER, Utilization, busy_figures
from finetune.network.checkpoint import load_checkpoint
from finetune.recipe import Recipe
from finetune.training.train import train


def measure_training(
    data: Path,
    weights: Path,
    recipe: Recipe,
    device: str,
    *,
    epochs: int,
    limit: int | None = None,
    sampler: Sequence[str] = SAMPLER,
) -> dict[str, Any]:
    """Train as ``python -m finetune`` does, in a folder that is removed afterwards.

    Args:
        data: the data set.
        weights: to start from.
        recipe: its epochs are replaced by ``epochs``, and it validates after the last one only.
        device: ``cpu`` or ``cuda``.
        epochs: how many.
        limit: photographs of each split at most; None for all.
        sampler: the command that samples how busy the GPU is.

    Returns:
        ``photographs`` of the training split, ``precision``, ``epochs`` and ``seconds`` of the whole run. Each of the
        epochs has ``images_per_second``, and ``busy`` and ``samples`` from the line before its own to its own; that
        includes the validation and the writing of its files.

    Raises:
        FlowerError: training failed.
    """
    recipe = replace(recipe, epochs=epochs, validate_every=epochs)
    lines: list[tuple[float, str]] = []

    def note(line: str) -> None:
        lines.append((time.monotonic(), line))
        print(line, flush=True)

    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, Utilization(sampler) as utilization:
        result = train(
            data, weights=weights, recipe=recipe, output=Path(folder, "run"), device=device, limit=limit, report=note
        )
        seconds = time.monotonic() - started
        provenance = load_checkpoint(result.checkpoint).provenance
    ends = [index for index, (_, line) in enumerate(lines) if line.startswith("epoch ")]
    return {
        "photographs": provenance["train_images"],
        "precision": provenance["precision"],
        "seconds": seconds,
        "epochs": [
            {
                "images_per_second": record["images_per_second"],
                **busy_figures(utilization.between(lines[index - 1][0], lines[index][0])),
            }
            for record, index in zip(result.history, ends, strict=True)
        ],
    }
