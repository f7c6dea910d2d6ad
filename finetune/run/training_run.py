"""The settings of one training run, which do not change while it runs."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from finetune.data.split import Split
from finetune.recipe import Recipe
from finetune.run.hardware import Hardware
from finetune.run.processes import SINGLE_PROCESS, Processes
from runtime.photos.preprocessing import Preprocessing

DEFAULT_CACHE_BYTES = 4 * 1024**3


@dataclass(frozen=True)
class TrainingRun:
    """The settings of one training run."""

    recipe: Recipe
    preprocessing: Preprocessing
    train: Split
    val: Split | None
    """None if the validation photographs are trained on as well. Then the last epoch is the result."""
    output: Path
    provenance: dict[str, Any]
    """Names and digests of the photographs and weights; part of the checkpoint."""
    versions: dict[str, str]
    hardware: Hardware
    processes: Processes = SINGLE_PROCESS
    cache: Path | None = None
    """A folder for the caches, which other runs can use; None: a folder in ``output`` that is removed at the end."""
    cache_bytes: int = DEFAULT_CACHE_BYTES
    """Largest size of the caches on disk. It changes the time of a run, and its result only by rounding."""
    tensorboard: bool = False
    """Whether to log for TensorBoard as well."""
    settings: dict[str, Any] = field(default_factory=dict)
    """What the run was started with, for ``last.pt``: the values of `finetune.run.settings.Settings`."""
    trained_on: tuple[str, ...] = ()
    """`Split.fingerprints` of ``train``; part of the checkpoint."""
    report: Callable[[str], None] = print
