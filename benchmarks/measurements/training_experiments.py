"""The training runs behind the report: the claimed recipe over seeds, and that recipe with one thing changed.

Each is an ordinary ``python -m finetune`` in a folder of its own, so one that was broken off goes on, and one that is
complete is not run again.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from finetune.command_line import main as finetune
from finetune.recipe import Recipe
from finetune.run.training_state import LAST
from runtime.errors import FlowerError
from runtime.files.atomic import write_text

SEEDS = (0, 1, 2)
ABLATION_EPOCHS = 8


@dataclass(frozen=True)
class Experiment:
    """One training run."""

    name: str
    change: str
    """What is different, in words."""
    options: tuple[str, ...] = ()
    """Of ``python -m finetune``."""


CLAIMED = tuple(Experiment(f"seed-{seed}", f"seed {seed}", ("--seed", str(seed))) for seed in SEEDS)

FAST = Experiment("fast", "`--recipe fast`", ("--recipe", "fast"))
REFERENCE = Experiment("reference", "the recipe itself")
ABLATIONS = (
    REFERENCE,
    Experiment("freeze-2", "layer2 trained as well", ("--freeze", "2")),
    Experiment("freeze-4", "layer3 frozen as well", ("--freeze", "4")),
    Experiment("echo", "each view serves four epochs", ("--echo", "4")),
    Experiment("one-rate", "one learning rate for all stages", ("--stage-decay", "1")),
    Experiment("at-once", "all stages trained from the first epoch", ("--unfreeze-every", "0")),
    Experiment("random-head", "head from random weights", ("--head", "random")),
    Experiment("no-augmentation", "crop and flip only", ("--augmentation", "none")),
    Experiment("rand-augment", "RandAugment for TrivialAugment", ("--augmentation", "rand")),
    Experiment("no-mixup", "no MixUp", ("--mixup", "0")),
    Experiment("cutmix", "CutMix (alpha 1) in turns with MixUp", ("--cutmix", "1")),
    Experiment("no-erasing", "no random erasing", ("--erasing", "0")),
    Experiment("no-smoothing", "no label smoothing", ("--label-smoothing", "0")),
    Experiment("swa", "SWA for EMA", ("--average", "swa")),
    Experiment("frozen-batchnorm", "BatchNorm keeps ImageNet's statistics", ("--batchnorm", "frozen")),
    Experiment("decay-all", "weight decay on BatchNorm and biases, too", ("--decay", "all")),
    Experiment("sgd", "SGD for AdamW", ("--optimizer", "sgd", "--lr", "0.005", "--head-lr", "0.02", "--weight-decay",
                                         "0.0005")),
    Experiment("size-224", "crops of 224 pixels", ("--size", "224")),
    Experiment("no-final", "no final phase", ("--final-share", "0")),
    Experiment("final-176", "final phase without the larger size", ("--final-size", "176")),
)  # fmt: skip


def run_experiment(experiment: Experiment, folder: Path, common: tuple[str, ...], *, keep_state: bool = False) -> Path:
    """Train it in ``folder``, unless that is done, and return its checkpoint.

    ``keep_state``: leave the state after the last epoch beside it, which is several times as large.

    Raises:
        FlowerError: training failed, its own message is on standard error; or what is there was trained otherwise.
    """
    output = folder / experiment.name
    finished, told = output / "finished", json.dumps([*common, *experiment.options, Recipe().to_dict()])
    if finished.exists() and finished.read_text() != told:
        raise FlowerError(f"{output}: was trained with other options or another recipe; choose another --output")
    resume = ("--resume",) if (output / LAST).exists() else ()
    if not finished.exists():
        print(f"\n== {experiment.name}: {experiment.change}", flush=True)
        status = finetune([*common, *experiment.options, "--output", str(output), *resume])
        if status:
            raise FlowerError(f"{experiment.name}: training ended with status {status}; the same command goes on")
        write_text(finished, told)
    if not keep_state:
        (output / LAST).unlink(missing_ok=True)
    return output / "best.pt"
