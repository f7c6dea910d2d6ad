"""What goes wrong around training: full disks, damaged files, wrong data. Nothing is lost, and a line says why."""

import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from finetune.command_line import main
from finetune.run.hardware import memory_errors_explained
from runtime.errors import FlowerError
from tests.conftest import SHORT


def test_a_full_disk_stops_the_run_in_words_and_keeps_what_was_saved(
    dataset: Path, weights: Path, tmp_path: Path
) -> None:
    """A limit on the size of files stands in for the end of the disk: in the second epoch, layer3 joins layer4 and the
    state grows by its moments."""
    options = ["--freeze", "3", "--device", "cpu", "--workers", "0", "--cache-gb", "0"]
    common = ["--data", str(dataset), "--weights", str(weights), *SHORT, *options]
    unharmed, output = tmp_path / "unharmed", tmp_path / "run"
    assert main([*common, "--output", str(unharmed)]) == 0
    size = (unharmed / "last.pt").stat().st_size

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size - 1_000_000, size - 1_000_000))

    command = [sys.executable, "-m", "finetune", *common, "--output", str(output)]
    done = subprocess.run(command, capture_output=True, text=True, preexec_fn=limit, timeout=900)
    assert done.returncode == 1
    assert "last.pt: cannot be written" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(output.glob(".*.tmp"))
    assert torch.load(output / "last.pt", weights_only=True)["epoch"] == 1
    assert main([*common, "--output", str(output), "--resume"]) == 0
    found, expected = (torch.load(folder / "last.pt", weights_only=True) for folder in (output, unharmed))
    assert found["epoch"] == 2
    for part in ("network", "averaged"):
        assert all(torch.equal(found[part][name], expected[part][name]) for name in expected[part])


def test_a_folder_that_cannot_be_written_is_found_before_the_work(
    dataset: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("in the way")
    output = tmp_path / "file" / "run"
    assert main(["--data", str(dataset), "--weights", str(weights), "--output", str(output), *SHORT]) == 1
    captured = capsys.readouterr()
    assert f"{output}: cannot be written (Not a directory)" in captured.err
    assert captured.out == ""


@pytest.mark.parametrize(("held", "runs", "words"), [("last.pt", "2", "one run"), ("seed-3/last.pt", "1", "several")])
def test_one_run_and_several_do_not_take_each_others_folder(
    held: str, runs: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / held).parent.mkdir(exist_ok=True)
    (tmp_path / held).touch()
    for resume in ((), ("--resume",)):
        assert main(["--output", str(tmp_path), "--runs", runs, *resume]) == 1
        assert f"holds {words}" in capsys.readouterr().err


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
            "finetune.training.epoch.learning_rate_factor", lambda step, steps, _: 1e30 if step >= steps else 1e-3
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


@pytest.mark.parametrize(
    ("torchs", "ours"),
    [
        ("CUDA out of memory. Tried to allocate 2 GiB", "--batch-size"),
        ("DataLoader worker (pid 7) is killed by signal: Bus error.", "--shm-size"),
    ],
)
def test_a_shortage_of_memory_is_said_in_words(torchs: str, ours: str) -> None:
    with pytest.raises(FlowerError, match=ours), memory_errors_explained():
        raise RuntimeError(torchs)
    with pytest.raises(RuntimeError, match="anything else"), memory_errors_explained():
        raise RuntimeError("anything else")
