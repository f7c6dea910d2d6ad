"""The state before the first epoch: pretrained, with a fitted head, made slim, or from a run that was stopped."""

from pathlib import Path

import torch

from finetune.network.photo_network import PhotoNetwork
from finetune.network.pretrained import load_pretrained
from finetune.run.output_folder import LAST_STATE
from finetune.run.random_seeds import derived_seed
from finetune.run.training_run import TrainingRun
from finetune.run.training_state import TrainingState, load_state, new_state, saved_architecture
from finetune.slimming.budget import Budget
from finetune.slimming.start import SlimStart, slim_network
from finetune.training.linear_probe import fit_head


def start_or_resume(run: TrainingRun, weights: Path, slim: SlimStart | None, *, resume: bool) -> TrainingState:
    """Return the state from which training goes on.

    Args:
        run: the training run.
        weights: of the ResNet-50 to start from.
        slim: the checkpoint that is made slim instead.
        resume: continue the run in its folder, if there is one.

    Raises:
        FlowerError: the weights or the state of the run cannot be used, or the budget cannot be met.
    """
    recipe = run.recipe
    resumed = resume and (run.output / LAST_STATE).exists()
    if resume and not resumed:
        run.report(f"resumed  nothing: {run.output} has no saved state; training starts from the beginning")
    torch.manual_seed(derived_seed(recipe.seed, "network"))
    if slim is not None:
        teacher = slim.full.network()
        if resumed:
            network = PhotoNetwork(len(run.train.classes), saved_architecture(run))
        else:
            network = _slim_network(run, slim.budget, teacher, slim.full.preprocessing.size)
        state = new_state(run, network, teacher)
    else:
        network = PhotoNetwork(len(run.train.classes))
        load_pretrained(network, weights)
        state = new_state(run, network) if resumed else _initial_state(run, network)
    if resumed:
        state = load_state(run, state)
        run.report(f"resumed  after epoch {state.epoch} of {recipe.epochs}")
    return state


def _slim_network(run: TrainingRun, budget: Budget, full: PhotoNetwork, full_size: int) -> PhotoNetwork:
    """Return the part of ``full`` that is trained."""
    run.hardware.place(full)
    # The frozen stages are those of the full network, so that both take the same input.
    slim, share = slim_network(full, full_size, budget, run.train, run.preprocessing, max(0, run.recipe.freeze - 1))
    run.report(f"slim     {share:.2f} of the work for a photo of {run.preprocessing.size} × {run.preprocessing.size}")
    for name, stage in zip(("layer1", "layer2", "layer3", "layer4"), slim.architecture.widths, strict=True):
        run.report(f"slim     {name}: {', '.join(f'{first}/{second}' for first, second in stage)}")
    return slim


def _initial_state(run: TrainingRun, network: PhotoNetwork) -> TrainingState:
    if run.recipe.head == "probe":
        run.hardware.place(network)
        loss = fit_head(network, run.train, run.preprocessing, run.hardware.autocast)
        # Every process fits the same head, but rounding depends on its number of threads.
        run.processes.broadcast_parameters(network.resnet.fc)
        run.report(f"probe    head fitted on frozen features, loss {loss:.3f}")
    return new_state(run, network)
