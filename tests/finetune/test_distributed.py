"""Training in several processes: two on this CPU, connected by gloo, train like one."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from finetune.command_line import main
from finetune.data.dataset import read_split
from finetune.data.photo_batches import photo_batches
from finetune.network.checkpoint import load_checkpoint
from tests.samples.drawn_flowers import draw_dataset
from tests.samples.schedule import SHORT

# Only on CUDA does BatchNorm use the images of all processes. With ImageNet's statistics it is equal everywhere.
EQUAL_EVERYWHERE = (
    *("--batchnorm", "frozen", "--precision", "fp32", "--optimizer", "sgd", "--lr", "0.001", "--head-lr", "0.001"),
    *("--head", "random", "--device", "cpu", "--cutmix", "1"),
)
TWO_PROCESSES = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m")


@pytest.mark.usefixtures("small_network")
def test_two_processes_have_the_losses_and_weights_of_one(options: list[str], tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    options += EQUAL_EVERYWHERE
    assert main([*options, "--output", str(one)]) == 0
    assert train_in_two_processes([*options, "--output", str(two)]).count("machine  cpu") == 1
    logs = [[json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()] for folder in (one, two)]
    for expected, actual in zip(*logs, strict=True):
        for key in ("train_loss", "val_loss"):
            assert actual[key] == pytest.approx(expected[key], rel=1e-4)
        assert actual["val_top1"] == expected["val_top1"]
    expected_weights, actual_weights = (load_checkpoint(folder / "best.pt").state_dict for folder in (one, two))
    assert all(torch.allclose(expected_weights[name], actual_weights[name], atol=1e-4) for name in expected_weights)


@pytest.mark.usefixtures("small_network")
def test_processes_validate_with_the_batchnorm_statistics_that_are_saved(small_weights: Path, tmp_path: Path) -> None:
    """Each process validates a part of the photographs. Here, its own statistics are those of other photographs."""
    data = draw_dataset(tmp_path, per_split=(6, 33, 1))
    train_in_two_processes(
        [
            *("--data", str(data), "--weights", str(small_weights), *SHORT, "--output", str(tmp_path / "run")),
            *("--device", "cpu", "--precision", "fp32", "--head", "random", "--average-decay", "0"),
        ]
    )
    checkpoint, split = load_checkpoint(tmp_path / "run" / "best.pt"), read_split(data, "val")
    network = checkpoint.network()
    with torch.no_grad():
        batches = photo_batches(split.paths, checkpoint.preprocessing, len(split))
        logits = torch.cat([network(torch.from_numpy(pixels)) for pixels in batches])
    loss = float(torch.nn.functional.cross_entropy(logits, torch.from_numpy(split.labels)))
    assert checkpoint.metrics["val_loss"] == pytest.approx(loss, rel=1e-4)


def train_in_two_processes(options: list[str]) -> str:
    """Train with the small network, and return what is printed."""
    done = subprocess.run(
        [*TWO_PROCESSES, "tests.samples.small_network", *options],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
