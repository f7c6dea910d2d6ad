"""Several processes: two on this CPU, joined by gloo, train as one does."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from finetune.network.checkpoint import load_checkpoint
from tests.conftest import SHORT

# BatchNorm over all processes' images exists on CUDA alone; with ImageNet's statistics it is the same everywhere.
SAME_EVERYWHERE = ("--batchnorm", "frozen", "--precision", "fp32", "--optimizer", "sgd", "--lr", "0.001",
                   "--head-lr", "0.001", "--head", "random")  # fmt: skip


def test_two_processes_have_the_loss_curve_of_one(dataset: Path, weights: Path, tmp_path: Path) -> None:
    launchers = {
        "one": [sys.executable, "-m"],
        "two": [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"],
    }
    logs = {}
    for name, launcher in launchers.items():
        output = tmp_path / name
        arguments = ["--data", str(dataset), "--weights", str(weights), "--output", str(output), "--device", "cpu"]
        done = subprocess.run(
            [*launcher, "finetune", *arguments, *SHORT, *SAME_EVERYWHERE, "--cutmix", "1"],
            capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("machine  cpu") == 1
        logs[name] = [json.loads(line) for line in (output / "log.jsonl").read_text().splitlines()]
    for one, two in zip(logs["one"], logs["two"], strict=True):
        for key in ("train_loss", "val_loss"):
            assert two[key] == pytest.approx(one[key], rel=1e-4)
        assert two["val_top1"] == one["val_top1"]
    one, two = (load_checkpoint(tmp_path / name / "best.pt").state_dict for name in launchers)
    assert all(torch.allclose(one[name], two[name], atol=1e-4) for name in one)


def test_a_batch_that_cannot_be_shared_out_is_refused(dataset: Path, weights: Path, tmp_path: Path) -> None:
    arguments = ["--data", str(dataset), "--weights", str(weights), "--output", str(tmp_path), "--device", "cpu"]
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "finetune",
         *arguments, *SHORT, "--batch-size", "6"],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode != 0
    assert "must be a multiple of 4 for 2 of them" in done.stderr
