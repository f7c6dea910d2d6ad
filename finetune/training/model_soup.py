"""A model soup: the mean of the weights of several runs of one recipe.

Runs from the same pretrained weights usually end in the same basin of the loss. The mean of their weights is often
better than each of them, and costs no more at inference than one (Wortsman et al., "Model soups", ICML 2022).
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from finetune.network.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from finetune.network.tensor_files import CheckpointError
from finetune.run.output_folder import BEST_CHECKPOINT, seed_folder
from finetune.run.processes import SINGLE_PROCESS
from finetune.run.training_run import TrainingRun
from finetune.training.validation import Validation
from runtime.files.digest import file_digest


def runs_by_seed(run: TrainingRun) -> list[TrainingRun]:
    """Return the recipe's runs: ``run`` itself, or several runs, each with its own seed and output folder."""
    if run.recipe.runs == 1:
        return [run]
    seeds = range(run.recipe.seed, run.recipe.seed + run.recipe.runs)
    return [
        replace(run, recipe=replace(run.recipe, seed=seed, runs=1), output=seed_folder(run.output, seed))
        for seed in seeds
    ]


def write_model_soup(run: TrainingRun, paths: Sequence[Path]) -> Path:
    """Average the checkpoints of `runs_by_seed`, validate the average, write it to ``best.pt``, and return its path."""
    best = run.output / BEST_CHECKPOINT
    if run.processes.is_main:
        soup = average_checkpoints(paths)
        metrics: dict[str, float] = {}
        if run.val is not None:
            network = soup.network()
            run.hardware.place(network)
            single = replace(run, processes=SINGLE_PROCESS, cache_bytes=0)
            metrics = Validation(single, run.val, network).measure(network)
            metrics["val_images"] = len(run.val)
        save_checkpoint(replace(soup, recipe=run.recipe.to_dict(), metrics=metrics), best)
        accuracy = f": validation top-1 {metrics['val_top1']:.2%}" if metrics else ""
        run.report(f"soup     mean of the weights of {len(paths)} runs{accuracy}")
    run.processes.wait_for_all()
    return best


def average_checkpoints(paths: Sequence[Path]) -> Checkpoint:
    """Return the mean of checkpoints that differ only in their seed. Its metrics are empty.

    Raises:
        CheckpointError: fewer than two, damaged, or of different recipes, data, weights or classes.
    """
    if len(paths) < 2:
        raise CheckpointError("a model soup needs at least two checkpoints; use --runs 2 or more")
    checkpoints = [load_checkpoint(path) for path in paths]
    first = checkpoints[0]
    for path, other in zip(paths, checkpoints, strict=True):
        for name in ("classes", "preprocessing", "provenance"):
            if getattr(other, name) != getattr(first, name):
                raise CheckpointError(
                    f"{path}: its {name} differs from that of {paths[0]}; a model soup needs runs with the same data, "
                    "weights and preprocessing"
                )
        if {**other.recipe, "seed": 0} != {**first.recipe, "seed": 0}:
            raise CheckpointError(
                f"{path}: its recipe differs from that of {paths[0]} in more than the seed; train both alike"
            )
        other.network()  # raises CheckpointError if its tensors are not those of a ResNet-50
    states = [checkpoint.state_dict for checkpoint in checkpoints]
    mean = {
        name: torch.stack([state[name] for state in states]).mean(0) if tensor.is_floating_point() else tensor
        for name, tensor in first.state_dict.items()
    }
    seeds = [checkpoint.recipe.get("seed") for checkpoint in checkpoints]
    soup = {"seeds": seeds, "checkpoints_sha256": [file_digest(path) for path in paths]}
    return replace(first, state_dict=mean, metrics={}, provenance={**first.provenance, "soup": soup})
