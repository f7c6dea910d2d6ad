"""The slim networks of the report about the three levers, each trained by distillation on the same short schedule.

Each is a run of ``python -m finetune --slim`` in a folder of its own (`run_experiment`). A run that was stopped is
resumed, and a complete run is not repeated.
"""

import argparse
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.measurements.training.experiments import Experiment, run_experiment
from finetune.network.architecture import blocks_of
from finetune.network.checkpoint import Checkpoint, load_checkpoint
from finetune.slimming.budget import Budget, Widths, count_macs, count_weights
from runtime.errors import FlowerError
from runtime.files.digest import file_digest

ROUND_UP = 10_000
"""Shares of the work are rounded up to a multiple of one divided by this, so that no channel goes by rounding."""


@dataclass(frozen=True)
class SlimPlan:
    """What a slim network keeps of the full one."""

    work: float
    """The share of the full network's multiply-accumulates for a photo of the same size. What the missing blocks do
    not save, narrower blocks do. 1: all blocks that stay keep their width."""
    drop_blocks: int
    """Blocks that ``layer3`` loses."""

    @property
    def name(self) -> str:
        """For folders and files."""
        return f"work-{self.work:g}-drop-{self.drop_blocks}"

    @property
    def title(self) -> str:
        """For the report."""
        if self == CONTROL:
            return "nothing removed"
        narrower = [f"{self.work:g} of the work"] if self.work < 1 else []
        fewer = [f"{self.drop_blocks} blocks fewer"] if self.drop_blocks else []
        return ", ".join((*narrower, *fewer))


CONTROL = SlimPlan(1.0, 0)
"""The full network itself, trained in the same way: what the others lose against it is due to what they lack."""
PLANS = (CONTROL, SlimPlan(0.7, 0), SlimPlan(0.45, 0), SlimPlan(0.35, 0), SlimPlan(1.0, 4), SlimPlan(0.45, 4))
"""Narrower alone, fewer blocks alone, and both with the work of one that is only narrower. About 0.3 of the work is the
least: layer1 and what lies between the blocks keep their width."""


SHORT_TRAINING = (
    *("--final-share", "1", "--lr", "0.0003", "--head-lr", "0.0003"),
    *("--warmup-epochs", "0.5", "--average-decay", "0.95"),
)
"""What differs from the recipe ``slim``, which is for 30 epochs. A few epochs are too few to overfit, so all are of the
final phase, without TrivialAugment and MixUp. Smaller steps keep more of the full network's weights. Warm-up and
average of that recipe would fill most of the training."""


@dataclass(frozen=True)
class Schedule:
    """How long and at what size all of them are trained."""

    epochs: int
    size: int
    """Side of the training crops, pixels. The channels are chosen for photos of this size."""

    def options(self) -> tuple[str, ...]:
        """Return the options of ``python -m finetune``.

        The last epoch is the result: to choose the best one on the photographs that are measured would favour networks
        whose accuracy fluctuates.
        """
        sizes = ("--final-size", str(self.size), "--test-size", str(self.size))
        return ("--epochs", str(self.epochs), "--validate-every", str(self.epochs), *sizes, *SHORT_TRAINING)


def slim_plan(text: str) -> SlimPlan:
    """Convert ``WORK/BLOCKS``, for example ``0.45/4``, to a plan (an argparse type)."""
    work, _, blocks = text.partition("/")
    try:
        plan = SlimPlan(float(work), int(blocks))
        Budget(macs=plan.work / 2, drop_blocks=plan.drop_blocks)  # raises FlowerError
    except (ValueError, FlowerError):
        plan = SlimPlan(0.0, 0)
    if not 0 < plan.work <= 1:
        raise argparse.ArgumentTypeError(
            f"must be WORK/BLOCKS, for example 0.45/4: a share above 0 and at most 1, and 0 to 5 blocks, not {text!r}"
        )
    return plan


def train_slim_network(
    plan: SlimPlan, full_file: Path, full: Checkpoint, schedule: Schedule, data: Path, output: Path, digest: str
) -> Path:
    """Train a slim network in a folder of ``output``, unless it is complete.

    Args:
        plan: what it keeps.
        full_file: the checkpoint of the full network.
        full: its content.
        schedule: of the training.
        data: the data set; the training split is used.
        output: the folder of all slim networks.
        digest: SHA-256 of ``full_file``.

    Returns:
        The path of the checkpoint.

    Raises:
        FlowerError: training failed, or the folder has a run with other options or from another full network.
    """
    options = ("--macs", str(macs_option(plan, full, schedule.size)), "--drop-blocks", str(plan.drop_blocks))
    common = ("--data", str(data), "--slim", str(full_file), *schedule.options())
    path = run_experiment(Experiment(plan.name, plan.title, options, recipe="slim"), output, common)
    if load_checkpoint(path).provenance.get("weights_sha256") != digest:
        raise FlowerError(f"{path.parent}: was made from another full network; choose another --output")
    return path


def network_figures(path: Path, full: Checkpoint) -> dict[str, Any]:
    """Return what the report says of a network besides measurements.

    Args:
        path: of its checkpoint.
        full: the full network.
    """
    checkpoint, size = load_checkpoint(path), full.preprocessing.size
    widths = network_widths(checkpoint)
    return {
        "sha256": file_digest(path),
        "size": checkpoint.preprocessing.size,
        "macs_share": count_macs(widths, size) / count_macs(network_widths(full), size),
        "weights": count_weights(widths),
        "widths": widths,
    }


def network_widths(checkpoint: Checkpoint) -> Widths:
    """Return the widths of all blocks of a network, see `finetune.network.architecture.Architecture.widths`."""
    blocks = blocks_of(checkpoint.network().resnet)
    return [[(block.conv1.out_channels, block.conv2.out_channels) for block in stage] for stage in blocks]


def macs_option(plan: SlimPlan, full: Checkpoint, size: int) -> float:
    """Return the value of ``--macs`` for a plan: a share of the full network's work at the size of its own photos.

    Args:
        plan: what the slim network keeps.
        full: the full network.
        size: side of the slim network's photos, pixels.

    Raises:
        FlowerError: the photos are not smaller than the full network's.
    """
    widths, full_size = network_widths(full), full.preprocessing.size
    share = plan.work * count_macs(widths, size) / count_macs(widths, full_size)
    if share >= 1:
        raise FlowerError(f"--size must be smaller than the full network's photos, {full_size} pixels")
    return math.ceil(ROUND_UP * share) / ROUND_UP
