"""The output folder of a run: the names of its files, and whether a run may write there."""

import tempfile
from pathlib import Path

from finetune.run.training_run import TrainingRun
from runtime.errors import FlowerError

BEST_CHECKPOINT = "best.pt"
"""The checkpoint for ``python -m export``."""
LAST_STATE = "last.pt"
"""The training state after the last complete epoch, for ``--resume``."""
LOG = "log.jsonl"
"""One JSON object per epoch."""
CURVES = "curves.png"
TENSORBOARD_FOLDER = "tensorboard"
CACHE_FOLDER = "cache"


def seed_folder(output: Path, seed: int) -> Path:
    """Return the output folder of one run if the recipe has several."""
    return output / f"seed-{seed}"


def cache_folder(run: TrainingRun) -> Path:
    """Return the folder of the run's caches."""
    return run.cache or run.output / CACHE_FOLDER


def check_output(output: Path, *, several_runs: bool, resume: bool) -> None:
    """Check, before any work starts, that a run may write to ``output``.

    Args:
        output: the folder, which need not exist.
        several_runs: whether the recipe has several runs, each in a `seed_folder`.
        resume: whether the run continues one in ``output``.

    Raises:
        FlowerError: the folder holds another run, or cannot be written.
    """
    has_one_run, has_several_runs = (output / LAST_STATE).exists(), any(output.glob(f"seed-*/{LAST_STATE}"))
    if has_one_run if several_runs else has_several_runs:
        existing, requested = ("one run", "several runs") if several_runs else ("several runs", "one run")
        raise FlowerError(
            f"{output}: holds the results of {existing}; {requested} would replace its {BEST_CHECKPOINT}; "
            "choose another --output"
        )
    if (has_one_run or has_several_runs) and not resume:
        raise FlowerError(f"{output}: already holds a run; continue it with --resume, or choose another --output")
    existing_folder = output
    while not existing_folder.exists():
        existing_folder = existing_folder.parent
    try:
        with tempfile.TemporaryFile(dir=existing_folder):
            pass
    except OSError as error:
        raise FlowerError(f"{output}: cannot be written ({error.strerror}); choose another --output") from None
