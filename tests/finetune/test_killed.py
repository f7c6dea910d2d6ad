"""Killed at any moment, a run goes on to the same weights, bit for bit."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from tests.conftest import SHORT

KILLS = 20
SCHEDULE = (*SHORT, "--epochs", "4", "--freeze", "3", "--echo", "2", "--workers", "1")


def start(arguments: list[str], output: Path) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "finetune", *arguments, "--output", str(output), "--resume"],
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )


def weights_of(path: Path) -> dict[str, torch.Tensor]:
    return torch.load(path, weights_only=True)["state_dict"]


@pytest.mark.slow
def test_a_run_killed_twenty_times_ends_with_the_same_weights(dataset: Path, weights: Path, tmp_path: Path) -> None:
    arguments = ["--data", str(dataset), "--weights", str(weights), "--device", "cpu", *SCHEDULE]
    began = time.monotonic()
    assert start(arguments, tmp_path / "unharmed").wait() == 0
    whole = time.monotonic() - began
    expected = weights_of(tmp_path / "unharmed" / "best.pt")

    def check(output: Path) -> None:
        found = weights_of(output / "best.pt")
        assert all(torch.equal(found[name], expected[name]) for name in expected)
        assert {path.name for path in output.iterdir()} == {"best.pt", "last.pt", "log.jsonl", "curves.png"}

    moments = random.Random(0)
    killed = tmp_path / "killed"
    deaths = 0
    while deaths < KILLS:
        process = start(arguments, killed)
        # Python takes a third of a run this short to start; a moment anywhere else hits training or writing.
        try:
            process.wait(moments.uniform(0.3, 1.0) * whole)
        except subprocess.TimeoutExpired:
            # The loader process dies with it, as when the power fails.
            os.killpg(process.pid, signal.SIGKILL)
        if process.wait() == 0:  # faster than its killer: check, and begin another
            check(killed)
            shutil.rmtree(killed)
        else:
            deaths += 1
    assert start(arguments, killed).wait() == 0
    check(killed)
