"""One training run: what stays the same during it, what changes, and how it is put down and taken up again."""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch.optim.swa_utils import PARAM_LIST, AveragedModel, get_ema_multi_avg_fn, get_swa_multi_avg_fn

from finetune.network.photo_network import PhotoNetwork, parameter_groups
from finetune.network.tensor_files import CheckpointError, load_untrusted, save_tensors
from finetune.run.training_run import TrainingRun

LAST = "last.pt"


@dataclass
class TrainingState:
    """What changes during a run; what ``last.pt`` holds."""

    network: PhotoNetwork
    averaged: AveragedModel
    """The moving average of ``network``; what is validated and kept."""
    optimizer: torch.optim.Optimizer
    epoch: int = 0
    """Epochs that are complete."""
    history: list[dict[str, Any]] = field(default_factory=list)

    def averaged_network(self) -> PhotoNetwork:
        """The averaged network itself, not a copy."""
        network = self.averaged.module
        assert isinstance(network, PhotoNetwork)
        return network

    def averaged_weights(self) -> dict[str, torch.Tensor]:
        """The averaged network's weights under torchvision's names, on the CPU."""
        prefix = "module.resnet."
        return {
            name.removeprefix(prefix): tensor.cpu().contiguous()
            for name, tensor in self.averaged.state_dict().items()
            if name.startswith(prefix)
        }

    def best_top1(self) -> float:
        """Highest validation accuracy so far; -1 where none was measured."""
        return max((record.get("val_top1", -1.0) for record in self.history), default=-1.0)


def new_state(run: TrainingRun, network: PhotoNetwork) -> TrainingState:
    """The state before the first epoch."""
    recipe = run.recipe
    run.hardware.place(network)
    groups = parameter_groups(
        network,
        lr=recipe.lr,
        head_lr=recipe.head_lr,
        stage_decay=recipe.stage_decay,
        weight_decay=recipe.weight_decay,
        decay_all=recipe.decay == "all",
        freeze=recipe.freeze,
    )
    optimizer: torch.optim.Optimizer
    if recipe.optimizer == "sgd":
        optimizer = torch.optim.SGD(groups, momentum=0.9, nesterov=True, fused=True)
    else:
        optimizer = torch.optim.AdamW(groups, fused=True)
    decay = recipe.average_decay if recipe.average == "ema" else 0.0
    average = _swa_update if recipe.average == "swa" else get_ema_multi_avg_fn(decay)
    averaged = AveragedModel(network, multi_avg_fn=average, use_buffers=True)
    return TrainingState(network, averaged, optimizer)


def _swa_update(averaged: PARAM_LIST, current: PARAM_LIST, count: torch.Tensor | int) -> None:
    """The mean over the steps; of BatchNorm's count of batches, which is whole and has none, the latest.

    torch's own function fails on whole numbers.
    """
    if averaged[0].is_floating_point():
        get_swa_multi_avg_fn()(averaged, current, count)
    else:
        for kept, new in zip(averaged, current, strict=True):
            kept.copy_(new)


def _identity(run: TrainingRun) -> dict[str, dict[str, Any]]:
    """What must be the same for a run to go on as itself."""
    return {
        "recipe": run.recipe.to_dict(),
        "preprocessing": run.preprocessing.to_dict(),
        "provenance": run.provenance,
    }


def save_state(run: TrainingRun, state: TrainingState) -> None:
    """Write ``last.pt``: everything that `load_state` needs to go on as if nothing had happened."""
    content = {
        **_identity(run),
        "epoch": state.epoch,
        "history": state.history,
        "network": state.network.state_dict(),
        "averaged": state.averaged.state_dict(),
        "optimizer": state.optimizer.state_dict(),
    }
    save_tensors(content, run.output / LAST)


def load_state(run: TrainingRun, state: TrainingState) -> TrainingState:
    """Put what ``last.pt`` holds into ``state``, and return it.

    All randomness of a run is drawn from the seed, the epoch and the step, so no generator's state is needed.

    Raises:
        CheckpointError: no such file, damaged, or of another recipe, data set or weights.
    """
    path = run.output / LAST
    content = load_untrusted(path)
    try:
        assert isinstance(content, dict)
        for key, mine in _identity(run).items():
            for name in sorted(mine.keys() | content[key].keys()):
                if mine.get(name) != content[key].get(name):
                    raise CheckpointError(
                        f"{path}: began with {name} {content[key].get(name)!r}, not {mine.get(name)!r}; "
                        "resume with the same, or choose another --output"
                    )
        state.network.load_state_dict(content["network"])
        state.averaged.load_state_dict(content["averaged"])
        state.optimizer.load_state_dict(content["optimizer"])
        assert all("base_lr" in group for group in state.optimizer.param_groups)
        state.epoch, state.history = int(content["epoch"]), [dict(record) for record in content["history"]]
        assert len(state.history) == state.epoch
        state.best_top1()
    except (KeyError, TypeError, ValueError, AttributeError, AssertionError, RuntimeError, OverflowError):
        raise CheckpointError(f"{path}: not the state of a run; start again without --resume") from None
    return state
