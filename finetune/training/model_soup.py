"""A model soup: the mean of the weights of several runs of one recipe.

Runs that start from the same pretrained weights end in the same valley, and the mean of their weights is often better
than each, at the cost of one (Wortsman et al., "Model soups", ICML 2022).
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from finetune.network.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from finetune.network.tensor_files import CheckpointError
from finetune.run.processes import SINGLE_PROCESS
from finetune.run.training_run import TrainingRun
from finetune.training.history import BEST
from finetune.training.validation import Validation
from runtime.files.digest import file_digest


def runs_by_seed(run: TrainingRun) -> list[TrainingRun]:
    """The runs that the recipe asks for: ``run`` itself, or several, each with a seed and a folder of its own."""
    if run.recipe.runs == 1:
        return [run]
    seeds = range(run.recipe.seed, run.recipe.seed + run.recipe.runs)
    return [
        replace(run, recipe=replace(run.recipe, seed=seed, runs=1), output=run.output / f"seed-{seed}")
        for seed in seeds
    ]


def write_model_soup(run: TrainingRun, paths: Sequence[Path]) -> Path:
    """Mix the checkpoints of `runs_of`, measure the mixture, write it, and return its path."""
    best = run.output / BEST
    if run.processes.is_first:
        soup = average_checkpoints(paths)
        metrics: dict[str, float] = {}
        if run.val is not None:
            network = soup.network()
            run.hardware.place(network)
            metrics = Validation(replace(run, processes=SINGLE_PROCESS, cache_bytes=0), run.val, network).measure(
                network
            )
            metrics["val_images"] = len(run.val)
        save_checkpoint(replace(soup, recipe=run.recipe.to_dict(), metrics=metrics), best)
        measured = f": validation top-1 {metrics['val_top1']:.2%}" if metrics else ""
        run.report(f"soup     mean of the weights of {len(paths)} runs{measured}")
    run.processes.wait()
    return best


def average_checkpoints(paths: Sequence[Path]) -> Checkpoint:
    """The mean of checkpoints of one recipe that differ in their seed alone.

    Its metrics are empty: nothing has been measured of the mixture yet.

    Raises:
        CheckpointError: fewer than two, damaged, or of different recipes, data, weights or classes.
    """
    if len(paths) < 2:
        raise CheckpointError("a soup needs at least two checkpoints")
    checkpoints = [load_checkpoint(path) for path in paths]
    first = checkpoints[0]
    for path, other in zip(paths, checkpoints, strict=True):
        for name in ("classes", "preprocessing", "provenance"):
            if getattr(other, name) != getattr(first, name):
                raise CheckpointError(f"{path}: its {name} differs from that of {paths[0]}; a soup needs the same")
        if {**other.recipe, "seed": 0} != {**first.recipe, "seed": 0}:
            raise CheckpointError(f"{path}: its recipe differs from that of {paths[0]} in more than the seed")
        other.network()  # raises if its tensors are not a ResNet-50's
    states = [checkpoint.state_dict for checkpoint in checkpoints]
    mean = {
        name: torch.stack([state[name] for state in states]).mean(0) if tensor.is_floating_point() else tensor
        for name, tensor in first.state_dict.items()
    }
    seeds = [checkpoint.recipe.get("seed") for checkpoint in checkpoints]
    soup = {"seeds": seeds, "checkpoints_sha256": [file_digest(path) for path in paths]}
    return replace(first, state_dict=mean, metrics={}, provenance={**first.provenance, "soup": soup})
