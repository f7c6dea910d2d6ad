"""What goes wrong around training: full disks, damaged files, wrong data. Nothing is lost, and a line says why."""

import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from finetune.cli import main
from tests.conftest import SHORT


def test_a_full_disk_stops_the_run_in_words_and_keeps_what_was_saved(
    dataset: Path, weights: Path, tmp_path: Path
) -> None:
    """A limit on the size of files stands in for the end of the disk: the state grows when layer3 joins."""
    output = tmp_path / "run"
    arguments = ["--data", str(dataset), "--weights", str(weights), "--output", str(output), *SHORT, "--freeze", "3"]
    assert main([*arguments, "--epochs", "2"]) == 0
    before = {path.name: path.read_bytes() for path in output.iterdir()}
    size = max(len(content) for content in before.values())

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size // 2, size // 2))

    (tmp_path / "other").mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "finetune", *arguments, "--output", str(tmp_path / "other")],
        capture_output=True, text=True, preexec_fn=limit, timeout=300,
    )  # fmt: skip
    assert done.returncode == 1
    assert "last.pt: cannot be written" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list((tmp_path / "other").glob(".*.tmp"))
    assert {path.name: path.read_bytes() for path in output.iterdir()} == before


def test_a_read_only_cache_costs_time_alone(
    dataset: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "cache").write_text("a file where a folder should be")
    arguments = ["--data", str(dataset), "--weights", str(weights), "--output", str(tmp_path / "run"), *SHORT]
    assert main([*arguments, "--epochs", "1", "--cache", str(tmp_path / "cache")]) == 0
    assert "going on without" in capsys.readouterr().out


def test_the_state_before_a_loss_that_is_no_number_is_kept(
    dataset: Path, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--data", str(dataset), "--weights", str(weights), "--output", str(tmp_path), *SHORT]
    with monkeypatch.context() as context:
        # From the second epoch on, the rate is absurd.
        context.setattr(
            "finetune.training.learning_rate_factor", lambda step, steps, _: 1e30 if step >= steps else 1e-3
        )
        assert main([*arguments, "--optimizer", "sgd", "--clip-norm", "1e30"]) == 1
    error = capsys.readouterr().err
    assert "became nan in epoch 2" in error or "after epoch 2" in error or "became inf in epoch 2" in error
    assert "--lr" in error
    assert torch.load(tmp_path / "last.pt", weights_only=True)["epoch"] == 1
    assert main([*arguments, "--optimizer", "sgd", "--clip-norm", "1e30", "--resume"]) == 0


def test_a_gradient_that_is_no_number_never_gets_into_the_weights(
    dataset: Path, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--data", str(dataset), "--weights", str(weights), "--output", str(tmp_path), *SHORT]
    networks = []
    clip = torch.nn.utils.clip_grad_norm_
    steps = 3  # an epoch: the loss is a number, its gradient is not, from the second epoch on

    def overflowing(parameters: Iterator[torch.nn.Parameter], norm: float) -> torch.Tensor:
        trained = list(parameters)
        if len(networks) == steps:
            trained[-1].grad.fill_(float("inf"))  # type: ignore[union-attr]
        networks.append(trained)
        return clip(trained, norm)

    monkeypatch.setattr("torch.nn.utils.clip_grad_norm_", overflowing)
    assert main([*arguments, "--head", "random"]) == 1
    error = capsys.readouterr().err
    assert "norm of the gradient became inf in epoch 2, step 1" in error
    assert "--lr" in error
    assert all(bool(torch.isfinite(parameter).all()) for parameter in networks[-1])
    assert torch.load(tmp_path / "last.pt", weights_only=True)["epoch"] == 1
