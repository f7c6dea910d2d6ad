"""TODO from finetune.run.training_state."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finetune.data.split import Split
from finetune.recipe import Recipe
from finetune.run.hardware import Hardware
from finetune.run.processes import SINGLE_PROCESS, Processes
from runtime.photos.preprocessing import Preprocessing


@dataclass(frozen=True)
class TrainingRun:
    """What stays the same during a run."""

    recipe: Recipe
    preprocessing: Preprocessing
    train: Split
    val: Split | None
    """None where its photographs are trained on as well: nothing is left to choose an epoch by; the last is kept."""
    output: Path
    provenance: dict[str, Any]
    versions: dict[str, str]
    hardware: Hardware
    processes: Processes = SINGLE_PROCESS
    cache: Path | None = None
    """A folder for what is computed once, to be left for other runs; without one it is in ``output``, and removed."""
    cache_bytes: int = 4 * 1024**3
    """How much disk that may take. Neither changes what a run ends with, but for rounding; only how long it takes."""
    tensorboard: bool = False
    """Whether to log for TensorBoard as well."""
    report: Callable[[str], None] = print
