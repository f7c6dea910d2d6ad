"""The state of a training run, which changes while it runs; how it is saved to ``last.pt`` and restored."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from torch.optim.swa_utils import PARAM_LIST, AveragedModel, get_ema_multi_avg_fn, get_swa_multi_avg_fn

from finetune.network.architecture import Architecture
from finetune.network.photo_network import PhotoNetwork, parameter_groups
from finetune.network.tensor_files import CheckpointError, load_untrusted, save_tensors, unusable_tensor
from finetune.run.output_folder import LAST_STATE
from finetune.run.training_run import TrainingRun

_OPTIONS = {
    **dict.fromkeys(("weights", "weights_sha256"), "--weights"),
    **dict.fromkeys(("dataset", "train_images", "train_sha256", "val_images", "val_sha256"), "photographs (--data)"),
}
"""What the user sees of values of `_identity` that are no options. `finetune.run.settings` compares the options."""


@dataclass
class TrainingState:
    """The state of a training run: the content of ``last.pt``."""

    network: PhotoNetwork
    averaged: AveragedModel
    """The average of the weights of ``network`` over the steps, which is validated and written."""
    optimizer: torch.optim.Optimizer
    epoch: int = 0
    """Number of complete epochs."""
    history: list[dict[str, Any]] = field(default_factory=list)
    """One record per complete epoch, as in ``log.jsonl``."""
    teacher: PhotoNetwork | None = None
    """The network whose answers are learned, if it is not the labels. It is not saved."""

    def averaged_network(self) -> PhotoNetwork:
        """Return the averaged network itself, not a copy."""
        return cast(PhotoNetwork, self.averaged.module)

    def averaged_weights(self) -> dict[str, torch.Tensor]:
        """Return the averaged network's weights under torchvision's names, on the CPU."""
        prefix = "module.resnet."
        return {
            name.removeprefix(prefix): tensor.cpu().contiguous()
            for name, tensor in self.averaged.state_dict().items()
            if name.startswith(prefix)
        }

    def best_top1(self) -> float:
        """Return the highest validation accuracy so far; -1 without validation."""
        return max((record.get("val_top1", -1.0) for record in self.history), default=-1.0)


def new_state(run: TrainingRun, network: PhotoNetwork, teacher: PhotoNetwork | None = None) -> TrainingState:
    """Return the state before the first epoch. The networks are moved to the run's device."""
    recipe = run.recipe
    for part in (network, teacher):
        if part is not None:
            run.hardware.place(part)
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
    if recipe.average == "swa":
        update: Callable[..., None] = _update_swa
    else:
        update = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]  # not annotated in torch
    averaged = AveragedModel(network, multi_avg_fn=update, use_buffers=True)
    return TrainingState(network, averaged, optimizer, teacher=teacher)


def _update_swa(averaged: PARAM_LIST, current: PARAM_LIST, count: torch.Tensor | int) -> None:
    """Update the mean over the steps; copy integers, which torch's own function cannot average.

    BatchNorm's number of batches is such an integer.
    """
    if averaged[0].is_floating_point():
        update = get_swa_multi_avg_fn()  # type: ignore[no-untyped-call]  # not annotated in torch
        update(averaged, current, count)
    else:
        for target, source in zip(averaged, current, strict=True):
            target.copy_(source)


NEW_PROVENANCE = ("limit", "test_images", "test_sha256")
"""What version 0.3 did not record."""


def _identity(run: TrainingRun) -> dict[str, dict[str, Any]]:
    """Return the settings that must be equal for a run to be resumed."""
    return {
        "recipe": run.recipe.to_dict(),
        "preprocessing": run.preprocessing.to_dict(),
        "provenance": run.provenance,
    }


def save_state(run: TrainingRun, state: TrainingState) -> None:
    """Write ``last.pt``: everything that `load_state` needs to continue with identical results.

    Raises:
        CheckpointError: the file cannot be written.
    """
    content = {
        **_identity(run),
        "settings": run.settings,
        "epoch": state.epoch,
        "history": state.history,
        "architecture": state.network.architecture.recorded(),
        "network": state.network.state_dict(),
        "averaged": state.averaged.state_dict(),
        "optimizer": state.optimizer.state_dict(),
    }
    save_tensors(content, run.output / LAST_STATE)


def saved_architecture(run: TrainingRun) -> Architecture:
    """Return the architecture of the network in ``last.pt``.

    Raises:
        CheckpointError: damaged.
        WeightsError: no such file, or not a file of tensors.
    """
    path = run.output / LAST_STATE
    content = load_untrusted(path)
    recorded = content.get("architecture") if isinstance(content, dict) else None
    return Architecture.from_untrusted(recorded, path)


def load_state(run: TrainingRun, state: TrainingState) -> TrainingState:
    """Load ``last.pt`` into ``state``, and return it.

    All random numbers depend only on the seed, the epoch and the step, so the file holds no generator's state.

    Raises:
        CheckpointError: damaged, or of a run with another recipe, data set or weights.
        WeightsError: no such file, or not a file of tensors.
    """
    path = run.output / LAST_STATE
    content = load_untrusted(path)
    damaged = CheckpointError(f"{path}: not the state of a training run; start again without --resume")
    if not isinstance(content, dict):
        raise damaged
    try:
        for key, expected in _identity(run).items():
            for name in sorted(expected.keys() | content[key].keys()):
                if name in NEW_PROVENANCE and name not in content[key]:
                    continue
                if expected.get(name) != content[key].get(name):
                    raise CheckpointError(
                        f"{path}: the run started with {name} {content[key].get(name)!r}, not {expected.get(name)!r}; "
                        f"resume with the same {_OPTIONS.get(name, 'settings')}, or choose another --output"
                    )
        state.network.load_state_dict(content["network"])
        state.averaged.load_state_dict(content["averaged"])
        state.optimizer.load_state_dict(content["optimizer"])
        for part in (state.network, state.averaged_network()):
            if unusable_tensor(part.state_dict()) is not None:
                raise damaged
        state.epoch, state.history = int(content["epoch"]), [dict(record) for record in content["history"]]
        has_base_rates = all("base_lr" in group for group in state.optimizer.param_groups)
        has_numbers = all(isinstance(record.get("val_top1", -1.0), float) for record in state.history)
        if not has_base_rates or not has_numbers or len(state.history) != state.epoch:
            raise damaged
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError, OverflowError):
        raise damaged from None
    return state
