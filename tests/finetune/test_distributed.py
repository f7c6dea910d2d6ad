"""Training in several processes: two on this CPU, connected by gloo, train like one."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from finetune.command_line import main
from finetune.network.checkpoint import load_checkpoint

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
    done = subprocess.run(
        [*TWO_PROCESSES, "tests.samples.small_network", *options, "--output", str(two)],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("machine  cpu") == 1
    logs = [[json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()] for folder in (one, two)]
    for expected, actual in zip(*logs, strict=True):
        for key in ("train_loss", "val_loss"):
            assert actual[key] == pytest.approx(expected[key], rel=1e-4)
        assert actual["val_top1"] == expected["val_top1"]
    expected_weights, actual_weights = (load_checkpoint(folder / "best.pt").state_dict for folder in (one, two))
    assert all(torch.allclose(expected_weights[name], actual_weights[name], atol=1e-4) for name in expected_weights)
