"""The runs of the training report: the default recipe with several seeds, and with one thing changed at a time.

Each is a run of ``python -m finetune`` in a folder of its own. A run that was stopped is resumed, and a complete run is
not repeated.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path

from finetune.command_line import main as finetune
from finetune.recipe import RECIPES
from finetune.run.output_folder import BEST_CHECKPOINT, LAST_STATE
from runtime.errors import FlowerError
from runtime.files.atomic import write_text

SEEDS = (0, 1, 2)
ABLATION_EPOCHS, ABLATION_SIZE, ABLATION_FINAL_SIZE = 4, 96, 128
"""A short schedule on smaller crops than those of the recipe, so that nine experiments with three seeds take less than
an hour on two cores."""


@dataclass(frozen=True)
class Experiment:
    """One training run."""

    name: str
    """Of its folder."""
    change: str
    """What differs from the default recipe, for the report."""
    options: tuple[str, ...] = ()
    """Options of ``python -m finetune``."""
    recipe: str = "default"
    """The recipe that the options start from, which is recorded: a run with an older one is not complete."""

    def with_seed(self, seed: int) -> "Experiment":
        """Return the same experiment with a seed, in a folder of its own."""
        return replace(self, name=f"{self.name}-seed-{seed}", options=(*self.options, "--seed", str(seed)))


SEED_RUNS = tuple(Experiment(f"seed-{seed}", f"seed {seed}", ("--seed", str(seed))) for seed in SEEDS)
FAST = Experiment("fast", "`--recipe fast`", ("--recipe", "fast"), recipe="fast")
REFERENCE = Experiment("reference", "the default recipe")
ABLATIONS = (
    REFERENCE,
    Experiment("sgd", "SGD instead of AdamW", ("--optimizer", "sgd", "--lr", "0.005", "--head-lr", "0.02",
                                               "--weight-decay", "0.0005")),
    Experiment("random-head", "head with random initial weights", ("--head", "random")),
    Experiment("freeze-4", "layer3 is frozen, too", ("--freeze", "4")),
    Experiment("no-final", "no final phase", ("--final-share", "0")),
    Experiment("no-augmentation", "crop and flip only", ("--augmentation", "none")),
    Experiment("no-mixup", "no MixUp", ("--mixup", "0")),
    Experiment("no-erasing", "no random erasing", ("--erasing", "0")),
    Experiment("at-once", "all stages trained from the first epoch", ("--unfreeze-every", "0")),
)  # fmt: skip
"""The steps that the training guide describes. Each is trained with all `SEEDS`."""


def run_experiment(experiment: Experiment, folder: Path, common: tuple[str, ...], *, keep_state: bool = False) -> Path:
    """Train an experiment in ``folder``, unless it is complete.

    Args:
        experiment: what to train.
        folder: of all experiments; this one has a folder of its name there.
        common: options of ``python -m finetune`` that all experiments share.
        keep_state: keep the training state after the last epoch, which is several times as large as the checkpoint.

    Returns:
        The path of the checkpoint.

    Raises:
        FlowerError: training failed, and printed why on standard error; or the folder has a run with other options.
    """
    output, recipe = folder / experiment.name, RECIPES[experiment.recipe].to_dict()
    finished, settings = output / "finished", json.dumps([*common, *experiment.options, recipe])
    if finished.exists() and finished.read_text() != settings:
        raise FlowerError(f"{output}: was trained with other options or another recipe; choose another --output")
    resume = ("--resume",) if (output / LAST_STATE).exists() else ()
    if not finished.exists():
        print(f"\n== {experiment.name}: {experiment.change}", flush=True)
        status = finetune([*common, *experiment.options, "--output", str(output), *resume])
        if status:
            raise FlowerError(
                f"{experiment.name}: training ended with status {status}; to continue, run the same command again"
            )
        write_text(finished, settings)
    if not keep_state:
        (output / LAST_STATE).unlink(missing_ok=True)
    return output / BEST_CHECKPOINT
